"""Five rounds of kill -9; a hundred are played by ``make test-faults``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.rounds import Points, play

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_grid_is_whole_after_a_round_of_kills(seed: int, tmp_path: Path, expected: Points) -> None:
    played = play(seed, tmp_path / "round", seeds=(0,), kills=2, expected=expected)
    assert played.problems == ()
    assert played.killed_workers + played.killed_orchestrators > 0
