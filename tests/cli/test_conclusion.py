"""What follows a grid on the terminal."""

from __future__ import annotations

import pytest

from ablab.cli.conclusion import conclude
from ablab.orchestration.result import GridResult
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore


def test_nobody_waits_for_a_comparison_after_an_interruption(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    def closing(*, interrupted: bool) -> str:
        result = GridResult("q", 1, 1, 0, 2, 3.0, interrupted=interrupted)
        assert conclude(result, paths=paths, store=MemoryStore())[0].startswith("1 completed")
        return capsys.readouterr().err

    assert "note: no summary" in closing(interrupted=False)  # the store is empty, and was asked
    assert closing(interrupted=True) == ""
