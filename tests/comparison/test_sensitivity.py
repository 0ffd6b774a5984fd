from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ablab.comparison.quasi_t import crossed_quasi_t
from ablab.comparison.sensitivity import Sensitivity, sensitivity


def lines(n_subjects: int = 9, n_seeds: int = 7, **more: object) -> dict[str, Sensitivity]:
    rng = np.random.default_rng(0)
    reference = rng.normal(0.2, 0.05, (n_subjects, n_seeds))
    treatment = reference + rng.normal(0.02, 0.01, reference.shape)
    options = {"alpha": 0.05, "scope": "pooled", "correlation": True, "n_draws": 4000, **more}
    return {each.name: each for each in sensitivity(treatment, reference, **options)}


def test_fisher_z_is_the_primary_test_on_transformed_scores() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(0.2, 0.05, (9, 7))
    treatment = reference + rng.normal(0.02, 0.01, reference.shape)
    oracle = crossed_quasi_t(np.arctanh(treatment) - np.arctanh(reference))
    found = lines()["crossed quasi-t on Fisher z"]
    assert found.estimate == pytest.approx(float(oracle.delta))
    assert found.p_value == pytest.approx(float(oracle.p_value))
    assert found.scale == "z"


def test_ranks_over_seeds_are_refused_where_they_could_say_nothing() -> None:
    refused = lines(n_seeds=5)["Wilcoxon signed-rank test over seeds"]
    assert (refused.p_value, refused.estimate) == (None, None)
    assert "smallest possible p is 0.0625" in refused.refused
    assert lines()["Wilcoxon signed-rank test over seeds"].p_value == pytest.approx(2 / 2**7)


def test_models_per_subject_are_ranked_over_subjects_and_have_no_crossed_checks() -> None:
    found = lines(scope="per_subject")
    assert list(found) == [
        "paired t-test over subjects on Fisher z",
        "Wilcoxon signed-rank test over subjects",
    ]


def test_cross_checks_agree_with_the_primary_test_on_a_large_table() -> None:
    rng = np.random.default_rng(1)
    shape = (60, 40)
    differences = (
        0.02 + rng.normal(0, 0.01, (60, 1)) + rng.normal(0, 0.01, (1, 40)) + rng.normal(0, 0.01, shape)
    )
    reference = np.full(shape, 0.2)
    primary = crossed_quasi_t(differences)
    found = sensitivity(
        reference + differences, reference, alpha=0.05, scope="pooled", correlation=True, n_draws=10_000
    )
    checks = [each for each in found if each.kind == "cross-check"]
    assert len(checks) == 2
    width = float(primary.ci_high - primary.ci_low)
    for each in checks:
        assert each.estimate == pytest.approx(float(primary.delta))
        assert each.ci_low == pytest.approx(float(primary.ci_low), abs=0.08 * width)
        assert each.ci_high == pytest.approx(float(primary.ci_high), abs=0.08 * width)


def test_a_score_of_one_has_no_fisher_z() -> None:
    ones = np.ones((3, 6))
    found = sensitivity(ones, 0.5 * ones, alpha=0.05, scope="pooled", correlation=True, n_draws=100)
    assert found[0].refused == "a score is exactly 1 or -1, where z is infinite"


def test_another_metric_has_no_fisher_z_and_one_value_per_run_no_crossed_checks() -> None:
    found = sensitivity(
        np.arange(6.0)[None] ** 2,
        np.zeros((1, 6)),
        alpha=0.05,
        scope="pooled",
        correlation=False,
        n_draws=100,
    )
    assert [each.name for each in found] == ["Wilcoxon signed-rank test over seeds"]
    assert found[0].refused is not None  # the first difference is zero, five remain
    assert stats.wilcoxon(np.arange(1.0, 6.0)).pvalue == pytest.approx(0.0625)
