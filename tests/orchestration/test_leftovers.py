from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from hand_made import state, trial

from ablab.orchestration.lease import Holder
from ablab.orchestration.leftovers import close_leftovers, end_old_workers, lease_of, output_file
from ablab.orchestration.lock import single_lease, trial_lease
from ablab.paths import Paths
from ablab.spec.record import Role, Status
from ablab.spec.trial import Trial
from ablab.tracking.memory import MemoryStore
from ablab.tracking.store import RunState

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before that, its command line may read empty
        yield process
        process.kill()


def _lease(process: subprocess.Popen[bytes], paths: Paths, of: Trial, **changes: object) -> Path:
    """A trial's lease as the process would have written it, long ago."""
    holder = {
        **asdict(Holder.of_this_process()),
        "pid": process.pid,
        "created": psutil.Process(process.pid).create_time(),
    } | changes
    file = trial_lease("quick", "seed", of.key, paths)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(holder))
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


def test_a_worker_of_a_dead_orchestrator_is_ended(sleeper: subprocess.Popen[bytes], paths: Paths) -> None:
    _lease(sleeper, paths, A)
    output_file(paths.workers("quick"), sleeper.pid).write_text("last words")
    told: list[str] = []
    end_old_workers("quick", paths, 0.2, told.append)
    assert not psutil.pid_exists(sleeper.pid)
    assert told == ["waiting for 1 worker(s) of an earlier run of quick to end"]
    assert close_leftovers("quick", "seed", _States(), paths) == ()
    assert list(paths.workers("quick").iterdir()) == []


def test_a_process_id_that_was_given_to_another_process_is_left_alone(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    _lease(sleeper, paths, A, created=12345.0)
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert sleeper.poll() is None
    store = _States(_running(A, pid=sleeper.pid))
    assert close_leftovers("quick", "seed", store, paths) == ()
    assert [run_id for run_id, _, _ in store.closed] == [f"run-{A.key[:6]}"]
    assert list(paths.workers("quick").iterdir()) == []


def test_a_command_that_trains_one_trial_of_the_study_is_left_alone(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    lease = _lease(sleeper, paths, A)
    command = single_lease("quick", A.key, paths)
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_bytes(lease.read_bytes())
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert sleeper.poll() is None
    working = _running(A, pid=sleeper.pid)
    assert close_leftovers("quick", "seed", _States(working), paths) == (working,)


def test_a_worker_of_another_machine_is_left_alone_while_its_heart_beats(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    beating, silent = (_lease(sleeper, paths, each, host="elsewhere", machine="another") for each in (A, B))
    os.utime(beating)
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert sleeper.poll() is None
    runs = [_running(each, host="elsewhere") for each in (A, B)]
    store = _States(*runs)
    assert close_leftovers("quick", "seed", store, paths) == (runs[0],)
    assert [run_id for run_id, _, _ in store.closed] == [f"run-{B.key[:6]}"]
    assert (beating.exists(), silent.exists()) == (True, False)


def test_a_broken_lease_counts_until_it_is_old(paths: Paths) -> None:
    file = trial_lease("quick", "seed", A.key, paths)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"pid": 1}))
    run = _running(A)
    assert close_leftovers("quick", "seed", _States(run), paths) == (run,)
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert close_leftovers("quick", "seed", _States(run), paths) == ()
    assert not file.exists()


def test_the_lease_of_a_worker_is_found_by_its_process_id(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    _lease(sleeper, paths, A, peak_bytes=7)
    found = lease_of(paths.workers("quick"), sleeper.pid)
    assert found is not None and found.holder is not None
    assert found.holder.peak_bytes == 7
    assert lease_of(paths.workers("quick"), DEAD) is None


class _States(MemoryStore):
    """A memory store whose runs were written by other processes."""

    def __init__(self, *states: RunState) -> None:
        super().__init__()
        self._states = states
        self.closed: list[tuple[str, Status, str]] = []

    def states(self, study: str) -> tuple[RunState, ...]:
        return self._states

    def close(self, run_id: str, status: Status, reason: str) -> None:
        self.closed.append((run_id, status, reason))


HERE = socket.gethostname()
LONG_AGO = 1_000_000_000
DEAD = 2**22 + 1  # beyond the largest process id
A, B, C, D = (trial("none", seed) for seed in range(4))


def _running(of: Trial, host: str = HERE, pid: int = DEAD, role: Role = "seed") -> RunState:
    return state(of, "running", host=host, pid=pid, role=role)


def test_runs_without_a_process_are_closed_as_killed(paths: Paths) -> None:
    store = _States(_running(A), state(B), _running(C, pid=os.getpid()), _running(D, role="pilot"))
    assert close_leftovers("quick", "seed", store, paths) == ()
    reason = "its process ended without closing the run"
    assert store.closed == [(f"run-{each.key[:6]}", "killed", reason) for each in (A, C)]


def test_runs_in_work_elsewhere_are_left_to_their_owner(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    elsewhere = (_running(A, host="elsewhere"), _running(B, pid=sleeper.pid))
    store = _States(*elsewhere)
    assert close_leftovers("quick", "seed", store, paths) == elsewhere
    assert store.closed == []
