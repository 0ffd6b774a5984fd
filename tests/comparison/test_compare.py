from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.comparison.study import FULL, ORIGINAL, full_factorial, run, two_arms

from ablab.comparison import verdicts
from ablab.comparison.compare import compare
from ablab.comparison.quasi_t import crossed_quasi_t
from ablab.comparison.summary import cell_summaries
from ablab.errors import NotFoundError
from ablab.spec.experiment import Improvements, Simulated, SplitFolder
from ablab.spec.grid import Analysis

DECLARED = {"analysis": Analysis(), "reference": ORIGINAL, "treatment": FULL}
V2 = Improvements(residual="gated", mlp_head=True, gradient_scale=2.0)


def ended(record, status, error=None):
    return replace(record, status=status, subjects=(), metrics={}, error=error)


def test_twelve_cells_reference_first_treatment_second_then_by_mean() -> None:
    found = compare(full_factorial(), study="s", **DECLARED)
    cells = [row.cell for row in found.rows]
    assert len(cells) == len(set(cells)) == 12
    assert cells[:2] == [ORIGINAL, FULL]
    means = [row.own.mean for row in found.rows[2:]]
    assert means == sorted(means, reverse=True)
    assert all(row.n_seeds == 3 and row.n_subjects == 8 for row in found.rows)
    assert all(row.verdict.exploratory for row in found.rows[1:])


def test_a_row_holds_the_quasi_t_of_its_paired_differences() -> None:
    d = np.random.default_rng(0).normal(0.01, 0.01, (8, 5))
    found = compare(two_arms(d), study="s", **DECLARED)
    oracle = crossed_quasi_t(d)
    test = found.rows[1].effect.test
    assert test.mean == pytest.approx(d.mean())
    assert test.p_value == pytest.approx(float(oracle.p_value))
    assert (test.ci_low, test.ci_high) == pytest.approx((float(oracle.ci_low), float(oracle.ci_high)))
    assert found.rows[1].verdict.declared
    row = found.rows[1]
    assert (row.parameters, row.gradient_ratio, row.drift) == (34120, 0.031, pytest.approx(0.21))
    assert found.rows[1].seconds == 10.0


def test_pairing_beats_differences_between_subjects() -> None:
    """Subjects differ by .1, the arms by .01 in each: only paired does that show."""
    d = np.full((8, 5), 0.01) + np.random.default_rng(1).normal(0, 0.001, (8, 5))
    row = compare(two_arms(d, level=0.5), study="s", **DECLARED).rows[1]
    assert row.effect.test.ci_low > 0.009


def test_a_failed_run_is_counted_and_the_rest_is_paired() -> None:
    records = two_arms(np.random.default_rng(0).normal(0.01, 0.01, (8, 5)))
    records[3] = ended(records[3], "failed", "loss is NaN at step 88")  # full, seed 1
    records[4] = ended(records[4], "running")  # original, seed 2
    found = compare(records, study="s", **DECLARED)
    assert [(row.cell, row.n_seeds) for row in found.rows] == [(ORIGINAL, 4), (FULL, 4)]
    assert found.rows[1].effect.n_seeds == 3
    assert found.rows[1].verdict.few_seeds
    assert {(entry.cell, entry.seed): entry.reason for entry in found.excluded} == {
        (FULL, 1): "failed: loss is NaN at step 88",
        (ORIGINAL, 2): "still running",
        (FULL, 2): "the reference has no score under this seed",
    }
    assert next(entry.key for entry in found.excluded if entry.seed == 1) == records[3].key


def test_a_seed_that_was_not_run_and_a_killed_one_are_named() -> None:
    records = [*(run(seed=seed) for seed in range(3)), run(FULL, 0, improvements=V2)]
    records.append(ended(run(FULL, 1, improvements=V2), "killed", "interrupted"))
    found = compare(records, study="s", **DECLARED)
    assert [(entry.seed, entry.reason) for entry in found.excluded] == [
        (1, "killed: interrupted"),
        (2, "no run of this seed"),
    ]


def test_a_finished_run_without_a_defined_score_is_named() -> None:
    nan = float("nan")
    records = [run(seed=0), run(seed=1), run(FULL, 0, improvements=V2)]
    records.append(run(FULL, 1, {"sub-1": nan, "sub-2": nan}, improvements=V2))
    found = compare(records, study="s", **DECLARED)
    assert [(e.seed, e.reason) for e in found.excluded] == [(1, "finished without a score of this metric")]


def test_a_subject_that_one_arm_lacks_is_left_out_by_name() -> None:
    three = {"a": 0.1, "b": 0.2, "c": 0.3}
    two = {"a": 0.2, "b": 0.3}
    records = [run(seed=s, scores=three) for s in range(2)]
    records += [run(FULL, s, two, improvements=V2) for s in range(2)]
    found = compare(records, study="s", **DECLARED)
    assert found.rows[1].effect.n_subjects == 2
    assert [(e.cell, e.subject, e.reason) for e in found.excluded] == [
        (FULL, "c", "not scored under every seed in both arms")
    ]


def test_pilot_runs_never_enter() -> None:
    records = [*two_arms(np.zeros((4, 2))), run(seed=7, role="pilot")]
    assert compare(records, study="s", **DECLARED).rows[0].n_seeds == 2


def test_without_a_declaration_the_cell_with_all_improvements_off_is_the_reference() -> None:
    records = list(reversed(full_factorial()))
    found = compare(records, study="s")
    assert found.baseline == ORIGINAL
    assert found.primary is None


@pytest.mark.parametrize("name", [FULL, "gated · mlp · gs2", "gated·mlp·gs2"])
def test_another_baseline_by_id_or_label_makes_everything_exploratory(name: str) -> None:
    found = compare(two_arms(np.full((8, 5), 0.02)), study="s", baseline=name, **DECLARED)
    assert found.baseline == FULL
    assert found.rows[1].effect.test.mean == pytest.approx(-0.02)
    assert found.rows[1].verdict.exploratory


def test_another_metric_is_paired_over_seeds_by_its_exact_name() -> None:
    values = np.array([0.4, 0.1, 0.3, 0.25, 0.2])
    records = two_arms(np.zeros((4, 5)))
    records = [
        replace(
            r, metrics={**r.metrics, "gradient/ratio": values[r.seed] + 0.1 * (r.cell == FULL) * (1 + r.seed)}
        )
        for r in records
    ]
    found = compare(records, study="s", metric="gradient/ratio", **DECLARED)
    test = found.rows[1].effect.test
    assert test.name == "paired t-test over seeds"
    assert test.p_value == pytest.approx(stats.ttest_1samp(0.1 * np.arange(1, 6), 0).pvalue)
    assert verdicts.label(found.rows[1].verdict) == "higher"
    assert found.sesoi is None
    assert found.floor is None


def test_validation_is_never_set_against_the_test_floor() -> None:
    records = two_arms(np.zeros((4, 3)))
    found = compare(records, study="s", metric="validation/pearson", floor=0.9, **DECLARED)
    assert (found.floor, found.chance) == (None, None)
    assert not any(row.below_floor for row in found.rows)


def test_cells_below_ridge_and_chance_are_flagged() -> None:
    records = two_arms(np.full((4, 3), -0.2), level=0.15)
    found = compare(records, study="s", floor=0.1, **DECLARED)
    assert [(row.below_floor, row.below_chance) for row in found.rows] == [(False, False), (True, True)]
    assert found.chance == 0.02
    assert found.above_chance == (3, 3)


def test_simulated_data_and_accepted_leakage_are_carried() -> None:
    records = two_arms(np.zeros((4, 3)))
    assert compare(records, study="s", **DECLARED).simulated
    folder = SplitFolder(accept_leakage="the stimuli are shared on purpose")
    real = [replace(r, experiment=r.experiment.model_copy(update={"dataset": folder})) for r in records]
    found = compare(real, study="s", **DECLARED)
    assert not found.simulated
    assert found.accepted_leakage == ("the stimuli are shared on purpose",)
    assert Simulated().accept_leakage is None


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        compare(two_arms(np.zeros((4, 3))), study="s", metric="test/pearsn", **DECLARED)
    assert "study 's' has no metric 'test/pearsn'; did you mean 'test/pearson'" in str(caught.value)


def test_an_unknown_cell_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"no cell 'residual=gatd.*did you mean 'residual=gated"):
        compare(two_arms(np.zeros((4, 3))), study="s", baseline="residual=gatd,mlp_head=true", **DECLARED)


def test_nothing_finished_says_what_there_is_and_where_to_look() -> None:
    records = [ended(r, "failed", "out of memory") for r in two_arms(np.zeros((4, 1)))]
    with pytest.raises(NotFoundError) as caught:
        compare(records, study="s")
    assert str(caught.value) == (
        f"study 's' has no finished run to compare (2 failed); the first: out of memory (ablab logs "
        f"{records[0].key[:8]})"
    )
    with pytest.raises(NotFoundError, match="has no runs to compare; start them with 'ablab grid run FILE'"):
        compare([], study="s")


def test_a_reference_that_failed_leaves_means_and_no_verdicts() -> None:
    records = [
        ended(r, "failed", "NaN") if r.cell == ORIGINAL else r for r in two_arms(np.full((4, 3), 0.02))
    ]
    found = compare(records, study="s", **DECLARED)
    assert found.rows[0].own.mean is None
    assert found.rows[1].own.mean is not None
    assert verdicts.label(found.rows[1].verdict) == "not tested"


def test_per_subject_models_are_tested_over_subjects() -> None:
    d = np.random.default_rng(3).normal(0.01, 0.01, (8, 5))
    analysis = Analysis(model_scope="per_subject")
    found = compare(two_arms(d), study="s", analysis=analysis, reference=ORIGINAL, treatment=FULL)
    assert found.rows[1].effect.test.name == "paired t-test over subjects"
    assert found.rows[1].effect.test.df == 7


def test_cell_summaries_hold_mean_interval_and_counts_but_no_empty_cell() -> None:
    records = two_arms(np.full((4, 3), 0.02))
    records += [ended(run("third", 0, label="third"), "failed")]
    reference, full = cell_summaries(compare(records, study="s", **DECLARED))
    assert (reference.cell, full.cell) == (ORIGINAL, FULL)
    assert full.metrics["test/pearson_delta"] == pytest.approx(0.02)
    assert full.metrics["seeds"] == 3
    metrics = full.metrics
    assert metrics["test/pearson_ci_low"] < metrics["test/pearson"] < metrics["test/pearson_ci_high"]
    assert "test/pearson_delta" not in reference.metrics
    assert full.factors["improvements.residual"] == "gated"


def test_runs_that_the_declaration_no_longer_holds_are_listed_and_not_compared() -> None:
    records = [r for r in full_factorial() if r.cell in (ORIGINAL, FULL)]
    old = [replace(run(ORIGINAL, 0), key="f" * 32), replace(run("residual=other", 7), key="e" * 32)]
    plain = compare(records, study="made_up")
    found = compare(records, study="made_up", superseded=old)
    assert found.rows == plain.rows
    assert [(e.cell, e.seed, e.key, e.reason) for e in found.excluded[len(plain.excluded) :]] == [
        (ORIGINAL, 0, "f" * 32, "not of the grid as last declared"),
        ("residual=other", 7, "e" * 32, "not of the grid as last declared"),
    ]
    with pytest.raises(
        NotFoundError, match=r"no finished run of the grid as last declared, and 2 runs of an"
    ):
        compare([], study="made_up", superseded=old)


def test_without_a_declaration_the_reference_is_an_original_that_finished() -> None:
    failed = replace(run("first", 0, factors={}), status="failed", subjects=())
    found = compare([failed, run("second", 0, factors={})], study="made_up")
    assert found.baseline == "second"
