from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ablab.comparison.effects import effect, wilson_interval
from ablab.comparison.mean_test import mean_test


@pytest.mark.parametrize(("successes", "n"), [(0, 8), (3, 8), (8, 8), (50, 85)])
def test_wilson_interval_equals_statsmodels(successes: int, n: int) -> None:
    oracle = proportion_confint(successes, n, alpha=0.1, method="wilson")
    assert wilson_interval(successes, n, alpha=0.1) == pytest.approx(oracle)


def test_effect_sizes_average_seeds_within_the_subject() -> None:
    # Subject means .1, .1, -.1, .2
    d = np.array([[0.3, -0.1, 0.1], [0.1, 0.1, 0.1], [-0.2, 0.0, -0.1], [0.0, 0.4, 0.2]])
    found = effect(d, alpha=0.05, sesoi=0.01, scope="pooled")
    assert found.d_z == pytest.approx(0.075 / np.std([0.1, 0.1, -0.1, 0.2], ddof=1))
    assert found.share_improved == 0.75
    assert found.superiority == pytest.approx((7 + 2 / 2) / 12)
    assert found.test.name == "crossed quasi-t"


def test_per_subject_models_get_the_paired_t_over_subjects() -> None:
    d = np.random.default_rng(0).normal(0.01, 0.02, (9, 3))
    test = mean_test(d, 0.05, "per_subject")
    oracle = stats.ttest_1samp(d.mean(axis=1), 0)
    assert test.name == "paired t-test over subjects"
    assert test.p_value == pytest.approx(oracle.pvalue)
    interval = oracle.confidence_interval(0.95)
    assert (test.ci_low, test.ci_high) == pytest.approx((interval.low, interval.high))
    narrow = oracle.confidence_interval(0.90)
    assert (test.equivalence_low, test.equivalence_high) == pytest.approx((narrow.low, narrow.high))


def test_one_subject_gets_the_paired_t_over_seeds() -> None:
    d = np.array([[0.01, 0.02, 0.04]])
    test = mean_test(d, 0.05, "pooled")
    assert test.name == "paired t-test over seeds"
    assert test.p_value == pytest.approx(stats.ttest_1samp(d[0], 0).pvalue)


@pytest.mark.parametrize(
    ("shape", "scope", "reason"),
    [
        ((8, 1), "pooled", "one seed"),
        ((1, 3), "per_subject", "one subject"),
        ((0, 3), "pooled", "no subject was scored"),
        ((8, 0), "pooled", "no subject was scored"),
    ],
)
def test_an_impossible_test_is_refused_with_its_reason(
    shape: tuple[int, int], scope: str, reason: str
) -> None:
    found = effect(np.zeros(shape) + 0.1, alpha=0.05, sesoi=0.01, scope=scope)
    assert found.test.p_value is None
    assert found.test.refused is not None
    assert reason in found.test.refused


def test_zero_everywhere_has_no_p() -> None:
    for shape in ((8, 3), (1, 3)):
        found = effect(np.zeros(shape), alpha=0.05, sesoi=0.01, scope="pooled")
        assert found.identical
        assert found.test.p_value is None


def test_the_paired_t_over_subjects_is_pingouins() -> None:
    import pingouin

    d = np.random.default_rng(5).normal(0.004, 0.01, (20, 3))
    found = effect(d, alpha=0.05, sesoi=0.01, scope="per_subject")
    oracle = pingouin.ttest(d.mean(axis=1), 0).iloc[0]
    assert found.test.p_value == pytest.approx(oracle["p_val"])
    assert found.test.df == oracle["dof"]
    assert abs(found.d_z) == pytest.approx(oracle["cohen_d"])


@pytest.mark.parametrize(("mean", "equivalent"), [(0.0, True), (0.0085, False)])
def test_the_inner_interval_is_two_one_sided_tests_as_pingouin_makes_them(
    mean: float, equivalent: bool
) -> None:
    import pingouin

    d = np.random.default_rng(6).normal(0, 0.01, 20)
    d = d - d.mean() + mean
    test = effect(d[:, None].repeat(2, axis=1), alpha=0.05, sesoi=0.01, scope="per_subject").test
    p = pingouin.tost(d, np.zeros(20), bound=0.01, paired=True)["pval"].iloc[0]
    assert bool(p < 0.05) == equivalent
    assert (test.equivalence_low > -0.01 and test.equivalence_high < 0.01) == equivalent


def test_two_seeds_are_not_tested_and_the_reason_is_given() -> None:
    d = np.random.default_rng(7).normal(0.05, 0.01, (12, 2))
    for values in (d, d[:1]):
        test = mean_test(values, 0.05, "pooled")
        assert (test.name, test.p_value, test.ci_low) == (None, None, None)
        assert test.mean == pytest.approx(values.mean())
        assert test.refused == (
            "two seeds say too little of how much trainings differ, at least 3 are needed to test at all; "
            "run 5 seeds or more"
        )
    assert mean_test(d, 0.05, "per_subject").name == "paired t-test over subjects"
