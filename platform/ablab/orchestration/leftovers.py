"""What a killed orchestrator leaves behind: workers that still live, and runs that still read running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ablab.orchestration.lease import Found, find
from ablab.orchestration.lock import single_lease, trial_lease
from ablab.orchestration.log_of_run import run_folder
from ablab.paths import Paths
from ablab.spec.record import Role
from ablab.tracking.store import RunState, RunStore


def output_file(folder: Path, pid: int) -> Path:
    """What the worker with this process id prints, while it lives and where it died."""
    return folder / f"{socket.gethostname()}-{pid}.out"


def end_old_workers(study: str, paths: Paths, patience_seconds: float, tell: Callable[[str], None]) -> None:
    """Wait for workers of an orchestrator that is gone, then kill them; only processes that are truly theirs.

    They notice its death themselves and end within five seconds; nothing else may own their trials then.
    Workers on other machines are left alone, and so are trials that an ``ablab experiment run`` trains.
    """
    living = [
        process
        for lease in leases(study, paths)
        if (process := _process(lease)) is not None and not _runs_alone(study, lease, paths)
    ]
    if living:
        tell(f"waiting for {len(living)} worker(s) of an earlier run of {study} to end")
        for process in psutil.wait_procs(living, timeout=patience_seconds)[1]:
            _kill(process)
    for file in paths.workers(study).glob(f"{socket.gethostname()}-*.out"):
        file.unlink(missing_ok=True)


def lease_of(folder: Path, pid: int) -> Found | None:
    """The lease that the worker with this process id, of this machine, holds or has held."""
    for file in folder.glob("*.lease"):
        found = find(file)
        if found and found.holder is not None and found.holder.is_here and found.holder.pid == pid:
            return found
    return None


def kill_worker(lease: Found) -> None:
    """End the worker that holds the lease, where it lives."""
    process = _process(lease)
    if process is not None:
        _kill(process)


def close_leftovers(study: str, role: Role, store: RunStore, paths: Paths) -> tuple[RunState, ...]:
    """Close the runs that no process works on any more; returns the ones still in work.

    Called under the study's lease.
    """
    dead, elsewhere = abandoned(study, role, store, paths)
    for state in dead:
        store.close(state.run_id, "killed", "its process ended without closing the run")
    for lease in leases(study, paths):
        if lease.file.name.startswith(f"{role}-") and not lease.is_live:
            lease.file.unlink(missing_ok=True)
    return elsewhere


def clear_finished(states: Iterable[RunState], paths: Paths) -> None:
    """Remove the working folders of finished runs, whose workers died before they could do so."""
    for state in states:
        if state.status == "finished":
            clear(run_folder(state.key, state.run_id, paths))


def clear(folder: Path) -> None:
    """Remove the working folder of a run; the key's stays where another study trains the same key."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def abandoned(
    study: str, role: Role, store: RunStore, paths: Paths
) -> tuple[tuple[RunState, ...], tuple[RunState, ...]]:
    """Runs that read running: those that have lost their process, and those in work.

    A run of another machine is dead where its trial's lease is stale. Where there is no lease, it is left to
    its owner, which has another state root and the same store.
    """
    dead: list[RunState] = []
    elsewhere: list[RunState] = []
    for state in store.states(study):
        if state.status == "running" and state.role == role:
            lease = find(trial_lease(study, role, state.key, paths))
            works = _may_work(state) if lease is None else lease.is_live
            (elsewhere if works else dead).append(state)
    return tuple(dead), tuple(elsewhere)


def leases(study: str, paths: Paths) -> list[Found]:
    """Leases of the study's trials, live or stale."""
    found = (find(file) for file in sorted(paths.workers(study).glob("*.lease")))
    return [lease for lease in found if lease is not None]


def _may_work(state: RunState) -> bool:
    if state.host != socket.gethostname():
        return True
    if state.pid == os.getpid():
        return False
    try:
        return any("python" in part or "ablab" in part for part in psutil.Process(state.pid).cmdline()[:3])
    except psutil.Error:
        return False


def _runs_alone(study: str, lease: Found, paths: Paths) -> bool:
    """Whether the trial of this lease is held by a command of its own, beside the study's orchestrator."""
    command = find(single_lease(study, lease.file.stem.rpartition("-")[2], paths))
    return command is not None and command.is_live


def _process(lease: Found) -> psutil.Process | None:
    return None if lease.holder is None else lease.holder.process


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if os.getpgid(process.pid) == process.pid and process.is_running():
            os.killpg(process.pid, signal.SIGKILL)  # a worker leads its own group
        else:
            process.kill()
        process.wait(5)
