"""The gate's error rates: a few simulated nights here, 200 a world in the committed result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.gate import NIGHTS, WORLDS, World, night, rates

from ablab.spec.load_regression import load_regression


@pytest.mark.parametrize(("loss", "verdict"), [(0.0, "PASS"), (0.04, "FAIL")])
def test_simulated_nights_are_judged_by_what_was_lost(root: Path, loss: float, verdict: str) -> None:
    regression = load_regression(root / "ablations" / "regression_nightly.yaml").regression
    rng = np.random.default_rng(11)
    verdicts = [night(regression, World(n_subjects=20, loss=loss), rng)[0] for _ in range(15)]
    assert verdicts.count(verdict) >= 13  # type: ignore[arg-type]
    assert "FAIL" not in verdicts or loss
    assert sum(rates(verdicts).values()) == pytest.approx(1)


def test_the_committed_rates_keep_what_the_page_says(root: Path) -> None:
    result = json.loads((root / "benchmarks" / "results" / "gate.json").read_text())
    rows = {row["world"]: row for row in result["rows"]}
    assert {row["nights"] for name, row in rows.items() if name in WORLDS} == {NIGHTS} == {200}
    unchanged = [row["FAIL"] for name, row in rows.items() if name.startswith("unchanged")]
    assert max(unchanged) == 0.0  # no false alarm in 600 nights
    assert rows["one_baseline"]["FAIL"] == 0.0  # nor in 2000 against ten baselines
    assert rows["lost the margin"]["PASS"] <= 0.05
    assert rows["lost the margin"]["FAIL"] <= 0.05
    assert rows["lost twice the margin"]["FAIL"] >= 0.95
