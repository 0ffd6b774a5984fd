"""The calibration that the statistics page rests on: a smaller run of it, and its committed result."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from benchmarks.calibration import DRAWS, LEAST, MOST, SEEDS, SPREADS, SUBJECTS, Design, calibrate


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("subjects", SUBJECTS)
@pytest.mark.parametrize("sd", [(0.0, 0.0), (0.005, 0.005), (0.01, 0.01), (0.0, 0.01), (0.01, 0.0)])
def test_a_smaller_run_keeps_the_bounds(subjects: int, seeds: int, sd: tuple[float, float]) -> None:
    design = Design(subjects, seeds, *sd, sd_residual=0.01)
    found = calibrate(design, 4000, np.random.default_rng([subjects, seeds, int(1000 * sd[0])]))
    least, most = design.bounds
    assert least <= found["false_positives"] <= most
    assert 1 - most <= found["coverage"] <= 1 - least
    assert found["coverage"] == pytest.approx(1 - found["false_positives"])
    assert found["false_equivalence"] <= MOST
    if seeds >= 5 and min(sd) > 0:
        assert found["power_at_detectable"] == pytest.approx(0.8, abs=0.04)


def test_the_committed_result_is_whole_and_within_bounds(root: Path) -> None:
    result = json.loads((root / "benchmarks" / "results" / "calibration.json").read_text())
    rows = result["rows"]
    sizes = {(r["subjects"], r["seeds"], r["sd_subject"], r["sd_seed"]) for r in rows}
    assert sizes == set(product(SUBJECTS, SEEDS, SPREADS, SPREADS))
    assert {row["draws"] for row in rows} == {DRAWS} == {20_000}
    for row in rows:
        assert row["within_bounds"]
        if row["seeds"] >= 5:
            assert row["false_positives"] <= MOST
            if min(row["sd_subject"], row["sd_seed"]) >= 0.005 and row["subjects"] >= 20:
                assert row["false_positives"] >= LEAST
