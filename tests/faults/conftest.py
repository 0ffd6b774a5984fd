"""The grid that every fault is done to, and its points where nothing is done to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from tests.faults.rounds import Points, undisturbed

SEEDS = (0,)


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Points:
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "grid", SEEDS)
