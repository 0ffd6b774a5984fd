from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from hand_made import state, trial

from ablab.orchestration.leftovers import WorkerFile, close_leftovers, end_old_workers, output_file
from ablab.paths import Paths
from ablab.spec.record import Role, Status
from ablab.spec.trial import Trial
from ablab.tracking.memory import MemoryStore
from ablab.tracking.store import RunState

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        yield process
        process.kill()


def _file(process: subprocess.Popen[bytes], paths: Paths, **changes: object) -> None:
    facts = {
        "pid": process.pid,
        "created": psutil.Process(process.pid).create_time(),
        "host": socket.gethostname(),
        "key": "k",
    } | changes
    WorkerFile(**facts).write(paths.workers("quick"))  # type: ignore[arg-type]


def test_a_worker_of_a_dead_orchestrator_is_ended(sleeper: subprocess.Popen[bytes], paths: Paths) -> None:
    _file(sleeper, paths)
    output_file(paths.workers("quick"), sleeper.pid).write_text("last words")
    told: list[str] = []
    end_old_workers("quick", paths, 0.2, told.append)
    assert not psutil.pid_exists(sleeper.pid)
    assert told == ["waiting for 1 worker(s) of an earlier run of quick to end"]
    assert list(paths.workers("quick").iterdir()) == []


def test_a_process_id_that_was_given_to_another_process_is_left_alone(
    sleeper: subprocess.Popen[bytes], paths: Paths
) -> None:
    _file(sleeper, paths, created=12345.0)
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert sleeper.poll() is None
    assert list(paths.workers("quick").iterdir()) == []


def test_a_worker_of_another_host_is_left_alone(sleeper: subprocess.Popen[bytes], paths: Paths) -> None:
    _file(sleeper, paths, host="elsewhere")
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert sleeper.poll() is None
    assert len(list(paths.workers("quick").iterdir())) == 1


def test_a_broken_worker_file_is_removed(paths: Paths) -> None:
    folder = paths.workers("quick")
    folder.mkdir(parents=True)
    (folder / "x-1.json").write_text(json.dumps({"pid": 1}))
    end_old_workers("quick", paths, 0.2, lambda text: pytest.fail(text))
    assert list(folder.iterdir()) == []


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
DEAD = 2**22 + 1  # beyond the largest process id
A, B, C, D = (trial("none", seed) for seed in range(4))


def _running(of: Trial, host: str = HERE, pid: int = DEAD, role: Role = "seed") -> RunState:
    return state(of, "running", host=host, pid=pid, role=role)


def test_runs_without_a_process_are_closed_as_killed() -> None:
    store = _States(_running(A), state(B), _running(C, pid=os.getpid()), _running(D, role="pilot"))
    assert close_leftovers("quick", "seed", store) == ()
    reason = "its process ended without closing the run"
    assert store.closed == [(f"run-{each.key[:6]}", "killed", reason) for each in (A, C)]


def test_runs_in_work_elsewhere_are_left_to_their_owner() -> None:
    with subprocess.Popen(SLEEP) as living:
        elsewhere = (_running(A, host="elsewhere"), _running(B, pid=living.pid))
        store = _States(*elsewhere)
        assert close_leftovers("quick", "seed", store) == elsewhere
        assert store.closed == []
        living.kill()
