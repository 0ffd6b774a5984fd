"""A checkpoint that is damaged: the one before stands in, and without one the trial starts anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import tiny
from tests.faults.rounds import STUDY, Points, look, write

from ablab.orchestration.leftovers import leases
from ablab.paths import Paths
from ablab.tracking.open import open_store

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else


def _checkpoints(paths: Paths) -> list[Path]:
    """Of the run that has most of them, the newest first."""
    folders = [*(paths.root / "runs").glob("*/*")]
    return max((sorted(folder.glob("restart-*.pt"), reverse=True) for folder in folders), key=len, default=[])


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_checkpoint_is_passed_over(
    damaged: int, tmp_path: Path, paths: Paths, expected: Points
) -> None:
    grid = write(tmp_path, (0,))
    first = tiny.start(paths, "grid", "run", grid, "--workers", "1", "--max-retries", "0")
    deadline = time.monotonic() + 200
    while len(_checkpoints(paths)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()  # and the worker saves its state and ends itself
    first.communicate()
    while any(lease.is_live for lease in leases(STUDY, paths)) and time.monotonic() < deadline:
        time.sleep(0.05)
    files = _checkpoints(paths)
    assert len(files) == 2
    for file in files[:damaged]:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)

    second = tiny.start(paths, "grid", "run", grid, "--workers", "2")
    _, error = second.communicate(timeout=250)
    assert second.returncode == 0, error
    assert look(paths, expected) == []
    store = open_store(paths)
    logs = [store.artifact(state.run_id, "train.log").read_text() for state in store.states(STUDY)]
    (log,) = [log for log in logs if "is damaged" in log]
    for file in files[:damaged]:
        assert f"checkpoint {file.name} is damaged" in log
    assert ("goes on from step" in log) == (damaged == 1)
