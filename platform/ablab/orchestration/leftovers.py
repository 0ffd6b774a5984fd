"""What a killed orchestrator leaves behind: workers that still live, and runs that still read running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ablab.paths import Paths
from ablab.spec.record import Role
from ablab.tracking.store import RunState, RunStore

_SAME_START_SECONDS = 1.0  # the clock of process start times is corrected now and then


@dataclass(frozen=True, slots=True)
class WorkerFile:
    """What a worker process writes down about itself while it lives."""

    pid: int
    created: float
    """Start time of the process: with it a process id that was given to another process is told apart."""
    host: str
    key: str

    @classmethod
    def of_this_process(cls, key: str) -> WorkerFile:
        """The calling process's own."""
        return cls(os.getpid(), psutil.Process().create_time(), socket.gethostname(), key)

    def write(self, folder: Path) -> Path:
        """Write atomically; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.host}-{self.pid}.json"
        new = file.with_suffix(".new")
        facts = {"pid": self.pid, "created": self.created, "host": self.host, "key": self.key}
        new.write_text(json.dumps(facts))
        return new.replace(file)

    @property
    def process(self) -> psutil.Process | None:
        """The living process, where it is still the one that wrote the file."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def output_file(folder: Path, pid: int) -> Path:
    """What the worker with this process id prints, while it lives and where it died."""
    return folder / f"{socket.gethostname()}-{pid}.out"


def end_old_workers(study: str, paths: Paths, patience_seconds: float, tell: Callable[[str], None]) -> None:
    """Wait for workers of an orchestrator that is gone, then kill them; only processes that are truly theirs.

    They notice its death themselves and end within five seconds; nothing else may own their trials then.
    """
    files = {file: worker for file in _files(study, paths) if (worker := _read(file)) is not None}
    living = [process for worker in files.values() if (process := worker.process) is not None]
    if living:
        tell(f"waiting for {len(living)} worker(s) of an earlier run of {study} to end")
        for process in psutil.wait_procs(living, timeout=patience_seconds)[1]:
            _kill(process)
    here = socket.gethostname()
    for file in _files(study, paths):
        known = _read(file)
        if known is None or known.host == here:
            file.unlink(missing_ok=True)
    for file in paths.workers(study).glob(f"{here}-*.out"):
        file.unlink(missing_ok=True)


def kill_worker(folder: Path, pid: int) -> None:
    """End the worker with this process id, where it lives."""
    file = folder / f"{socket.gethostname()}-{pid}.json"
    worker = _read(file)
    if worker is not None and (process := worker.process) is not None:
        _kill(process)


def close_leftovers(study: str, role: Role, store: RunStore) -> tuple[RunState, ...]:
    """Close the runs of this host that no process works on any more; returns the ones still in work.

    Called under the study's lock, so that a run of this host that reads running has lost its process. A run
    of another host, or one whose process lives (another state root, the same store), is left to its owner.
    """
    elsewhere = []
    for state in store.states(study):
        if state.status != "running" or state.role != role:
            continue
        if state.host != socket.gethostname() or _works(state.pid):
            elsewhere.append(state)
        else:
            store.close(state.run_id, "killed", "its process ended without closing the run")
    return tuple(elsewhere)


def _works(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        return any("python" in part or "ablab" in part for part in psutil.Process(pid).cmdline()[:3])
    except psutil.Error:
        return False


def _files(study: str, paths: Paths) -> list[Path]:
    return sorted(paths.workers(study).glob("*.json"))


def _read(file: Path) -> WorkerFile | None:
    try:
        return WorkerFile(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if os.getpgid(process.pid) == process.pid and process.is_running():
            os.killpg(process.pid, signal.SIGKILL)  # a worker leads its own group
        else:
            process.kill()
        process.wait(5)
