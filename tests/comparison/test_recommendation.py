from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.comparison.made_up import LEVELS, additive, all_cells, table
from tests.comparison.study import FULL, ORIGINAL, cell_id

from ablab.comparison.effects import effect
from ablab.comparison.findings import findings
from ablab.comparison.recommendation import Recommendation, non_inferiority
from ablab.spec.experiment import Improvements
from ablab.spec.identity import trial_key
from ablab.spec.load import load_experiment
from ablab.spec.record import RunRecord


def recommended(records: list[RunRecord]) -> Recommendation | None:
    found = findings(records, study="made_up", reference=ORIGINAL, treatment=FULL, levels=LEVELS, n_draws=200)
    return found.recommendation


def test_the_fewest_improvements_not_worse_than_the_best() -> None:
    """Gated alone carries the gain: head and scale cost more than they bring."""
    found = recommended(table(additive))
    assert found.cell == cell_id(Improvements(residual="gated"))
    assert found.n_improvements == 1
    assert found.margin == 0.01
    if found.against_best is not None:
        assert found.against_best.test.equivalence_low > -0.01


def test_the_original_is_recommended_where_nothing_helps() -> None:
    found = recommended(table(lambda _: 0.0))
    assert (found.cell, found.n_improvements) == (ORIGINAL, 0)
    assert found.best != found.cell
    assert found.against_best.test.equivalence_low > -found.margin


def test_noisy_cells_are_not_shown_to_be_non_inferior() -> None:
    found = recommended(table(additive, n_subjects=4, seeds=range(2), sd=(0.05, 0.05, 0.05)))
    assert found.cell == found.best
    assert any("2 seeds: 5 are needed" in reason for reason in found.reasons)
    assert any("no other cell is shown to be within the margin" in reason for reason in found.reasons)


def test_a_cell_with_one_lucky_seed_is_no_candidate_for_the_best() -> None:
    lucky = cell_id(all_cells()[-1])
    records = [r for r in table(lambda c: 0.2 * (cell_id(c) == lucky)) if r.cell != lucky or r.seed == 0]
    found = recommended(records)
    assert lucky not in (found.cell, found.best)
    assert any("fewer than 5 seeds, so not considered: gated" in reason for reason in found.reasons)


def test_its_spec_is_the_cells_and_runs(tmp_path: Path) -> None:
    records = table(additive)
    found = recommended(records)
    file = tmp_path / "recommended.yaml"
    file.write_text(found.spec, encoding="utf-8")
    loaded = load_experiment(file).experiment
    assert loaded.name == "made_up_recommended"
    original = next(record.experiment for record in records if record.cell == found.cell)
    assert trial_key(loaded, "d", 0) == trial_key(original, "d", 0)
    assert "ablab grid confirm made_up" in found.spec


@pytest.mark.parametrize(
    ("shift", "n_seeds", "words"),
    [
        (-0.002, 6, "NOT WORSE"),
        (-0.03, 6, "WORSE"),
        (-0.01, 6, "INCONCLUSIVE"),
        (0.0, 3, "EXPLORATORY with 3"),
    ],
)
def test_non_inferiority_in_words(shift: float, n_seeds: int, words: str) -> None:
    d = shift + np.random.default_rng(4).normal(0, 0.004, (10, n_seeds))
    found = effect(d - d.mean() + shift, alpha=0.05, sesoi=0.01, scope="pooled")
    text = non_inferiority(found, margin=0.01, alpha=0.05)
    assert text.startswith(words)
    assert "90 % interval" in text
    assert text.endswith("margin .010")


def test_non_inferiority_of_one_seed_is_not_tested() -> None:
    found = effect(np.zeros((4, 1)), alpha=0.05, sesoi=0.01, scope="pooled")
    assert non_inferiority(found, margin=0.01, alpha=0.05).startswith("NOT TESTED: one seed")
