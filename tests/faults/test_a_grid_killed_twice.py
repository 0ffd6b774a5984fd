"""A grid whose process group is killed, twice and in both ways, and that is whole in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import tiny
from tests.processes import still_running

from ablab.orchestration.grid import run_grid
from ablab.orchestration.log_of_run import LOG
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.spec.record import RunRecord
from ablab.tracking.memory import MemoryStore
from ablab.tracking.open import open_store

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else


def _until_started(process: subprocess.Popen[str], trials: int) -> None:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith("started"):
            trials -= 1
            if trials == 0:
                return
    raise AssertionError("ended early:\n" + "".join(seen))


def _workers(paths: Paths) -> list[psutil.Process]:
    files = sorted(paths.workers("tinygrid").glob("*.lease"))
    return [psutil.Process(json.loads(file.read_text())["pid"]) for file in files]


def _statuses(paths: Paths) -> list[str]:
    return sorted(state.status for state in open_store(paths).states("tinygrid"))


@pytest.mark.slow
def test_a_grid_that_is_killed_twice_is_whole_in_the_end(tmp_path: Path, paths: Paths) -> None:
    seeds = (0, 1)
    command = ("grid", "run", tiny.write(tmp_path, epochs=25, seeds=seeds), "--workers", "2", "--json")

    # Ctrl-C in a terminal reaches the whole foreground process group.
    first = tiny.start(paths, *command)
    _until_started(first, 2)
    workers = _workers(paths)
    os.killpg(first.pid, signal.SIGINT)
    out, _ = first.communicate(timeout=30)
    assert first.returncode == 130
    result = json.loads(out)
    assert result["killed"] == 2
    assert result["trials"] == 4
    assert result["trials"] == sum(
        result[name] for name in ("completed", "failed", "killed", "skipped", "not_started")
    )
    assert still_running(workers, timeout=1) == []
    assert _statuses(paths) == ["killed", "killed"]

    # SIGKILL leaves the orchestrator no chance: the workers notice, and the next run cleans up.
    second = tiny.start(paths, *command)
    _until_started(second, 2)
    workers = [*_workers(paths), *psutil.Process(second.pid).children()]
    os.killpg(second.pid, signal.SIGKILL)
    second.communicate()
    assert len(workers) >= 3
    assert still_running(workers, timeout=5) == []

    third = tiny.start(paths, *command)
    out, error = third.communicate(timeout=90)
    assert third.returncode == 0, error
    assert json.loads(out)["failed"] == 0
    states = open_store(paths).states("tinygrid")
    assert [state.status for state in states] == ["finished"] * 4
    assert tiny.finished_keys(paths) == sorted(state.key for state in states)
    assert list(paths.workers("tinygrid").iterdir()) == []
    assert list((paths.root / "runs").iterdir()) == []

    # Every trial was under way at least once when it was killed, and no number shows it.
    whole = MemoryStore()
    run_grid(
        load_grid(tmp_path / "grid.yaml"), paths=Paths(tmp_path / "whole"), store=whole, launcher="inline"
    )
    expected = {record.key: record for record in whole.records("tinygrid")}
    records = open_store(paths).records("tinygrid")
    for record in records:
        assert _measured(record) == _measured(expected[record.key])
        assert record.subjects == expected[record.key].subjects
    logs = [open_store(paths).artifact(record.run_id, LOG).read_text() for record in records]
    assert sum("goes on from step" in log for log in logs) >= 2


def _measured(record: RunRecord) -> dict[str, float]:
    varying = ("seconds", "throughput/", "memory/")
    return {name: value for name, value in record.metrics.items() if not name.startswith(varying)}
