from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablab.comparison.quasi_t import crossed_quasi_t, mean_squares


def studies(
    rng: np.random.Generator, n: int, subjects: int, seeds: int, sd: tuple[float, float, float]
) -> np.ndarray:
    by_subject, by_seed, residual = sd
    return (
        rng.normal(0, by_subject, (n, subjects, 1))
        + rng.normal(0, by_seed, (n, 1, seeds))
        + rng.normal(0, residual, (n, subjects, seeds))
    )


def test_a_case_worked_by_hand() -> None:
    # Subject means 1, 3, 5; seed means 1, 5; grand mean 3.
    d = np.array([[0.0, 2.0], [1.0, 5.0], [2.0, 8.0]])
    # MS_subject = 2 * (4 + 0 + 4) / 2 = 8; MS_seed = 3 * (4 + 4) / 1 = 24.
    # Residuals +-1, 0, -+1: MS_residual = 4 / (2 * 1) = 2.
    squares = mean_squares(d)
    assert (squares.mean, squares.subject, squares.seed, squares.residual) == (3.0, 8.0, 24.0, 2.0)
    # Variance (8 + 24 - 2) / 6 = 5. Satterthwaite 30^2 / (64/2 + 576/1 + 4/2) = 900/610 = 1.475, but two
    # seeds cap it at K - 1 = 1.
    result = crossed_quasi_t(d)
    assert result.standard_error == pytest.approx(5**0.5)
    assert result.df == 1.0
    assert not result.floored
    t = 3 / 5**0.5
    assert result.p_value == pytest.approx(2 * stats.t.sf(t, 1))
    assert result.ci_high == pytest.approx(3 + stats.t.ppf(0.975, 1) * 5**0.5)


def test_satterthwaite_df_from_five_seeds() -> None:
    d = studies(np.random.default_rng(1), 1, 12, 6, (0.02, 0.02, 0.01))[0]
    m = mean_squares(d)
    expected = (m.subject + m.seed - m.residual) ** 2 / (
        m.subject**2 / 11 + m.seed**2 / 5 + m.residual**2 / 55
    )
    assert crossed_quasi_t(d).df == pytest.approx(expected)


def test_mean_squares_equal_statsmodels_two_way_anova() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    d = studies(np.random.default_rng(2), 1, 7, 4, (0.01, 0.02, 0.01))[0]
    subject, seed = np.indices(d.shape)
    frame = pd.DataFrame({"d": d.ravel(), "subject": subject.ravel(), "seed": seed.ravel()})
    table = anova_lm(ols("d ~ C(subject) + C(seed)", frame).fit())
    ours = mean_squares(d)
    oracle = table["mean_sq"]
    assert [ours.subject, ours.seed, ours.residual] == pytest.approx(list(oracle))


def test_without_seed_variance_it_is_the_paired_t_over_subjects() -> None:
    by_subject = np.random.default_rng(3).normal(0.01, 0.02, 15)
    result = crossed_quasi_t(np.tile(by_subject[:, None], (1, 6)))
    oracle = stats.ttest_1samp(by_subject, 0)
    assert result.t == pytest.approx(oracle.statistic)
    assert result.p_value == pytest.approx(oracle.pvalue)


def test_without_subject_variance_it_is_the_paired_t_over_seeds() -> None:
    by_seed = np.random.default_rng(4).normal(0.01, 0.02, 6)
    result = crossed_quasi_t(np.tile(by_seed, (15, 1)))
    assert result.p_value == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue)


def test_the_floor_is_the_larger_single_source_with_its_own_df() -> None:
    rng = np.random.default_rng(5)
    d = rng.normal(0, 1, (9, 7))
    d -= 0.9 * (d.mean(axis=0, keepdims=True) - d.mean())  # seed means too equal for the residual
    m = mean_squares(d)
    assert m.residual > m.seed
    result = crossed_quasi_t(d)
    assert result.floored
    assert result.standard_error == pytest.approx((m.subject / 63) ** 0.5)
    assert result.df == 8
    # The same with seeds as the larger source: transposed, the floor's df is K - 1.
    assert crossed_quasi_t(d.T).df == 8


def test_df_below_five_seeds_is_capped_at_seeds_minus_one() -> None:
    d = studies(np.random.default_rng(6), 200, 40, 4, (0.03, 0.001, 0.01))
    assert (crossed_quasi_t(d).df <= 3).all()
    assert crossed_quasi_t(studies(np.random.default_rng(6), 200, 40, 5, (0.03, 0.001, 0.01))).df.max() > 4


def test_all_zero_is_identical_with_p_undefined() -> None:
    result = crossed_quasi_t(np.zeros((8, 5)))
    assert np.isnan(result.p_value)
    assert (result.delta, result.ci_low, result.ci_high) == (0, 0, 0)


def test_the_same_difference_everywhere_is_certain() -> None:
    result = crossed_quasi_t(np.full((4, 5), 0.25))
    assert (result.p_value, result.ci_low, result.ci_high) == (0, 0.25, 0.25)


def test_leading_axes_are_studies_of_their_own() -> None:
    d = studies(np.random.default_rng(7), 6, 8, 5, (0.01, 0.01, 0.01)).reshape(2, 3, 8, 5)
    together = crossed_quasi_t(d)
    assert together.p_value.shape == (2, 3)
    assert together.p_value[1, 2] == pytest.approx(float(crossed_quasi_t(d[1, 2]).p_value))


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_subject_or_one_seed_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 subjects and 2 seeds"):
        crossed_quasi_t(np.zeros(shape))


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("subjects", [8, 20, 85])
@pytest.mark.parametrize("sd", [(0.01, 0.01), (0.005, 0.005), (0.02, 0.002), (0.0, 0.01), (0.0, 0.0)])
def test_false_positives_stay_at_most_six_and_a_half_percent(
    seeds: int, subjects: int, sd: tuple[float, float]
) -> None:
    rng = np.random.default_rng([seeds, subjects, int(1000 * sd[0]), int(1000 * sd[1])])
    p = crossed_quasi_t(studies(rng, 4000, subjects, seeds, (*sd, 0.01))).p_value
    assert (p < 0.05).mean() <= 0.065
    if min(sd) >= 0.005 and subjects >= 20:  # below that the floor makes it conservative on purpose
        assert (p < 0.05).mean() >= 0.035


def test_intervals_cover_a_true_effect_as_often_as_they_say() -> None:
    d = 0.01 + studies(np.random.default_rng(8), 4000, 20, 5, (0.01, 0.01, 0.01))
    result = crossed_quasi_t(d)
    covered = ((result.ci_low <= 0.01) & (result.ci_high >= 0.01)).mean()
    assert 0.935 <= covered <= 0.965


def test_subjects_as_the_only_random_factor_would_be_wrong() -> None:
    """Why this test exists: the usual paired t over subjects is wrong more often than not."""
    d = studies(np.random.default_rng(9), 2000, 85, 3, (0.01, 0.01, 0.01))
    usual = stats.ttest_1samp(d.mean(axis=-1), 0, axis=-1).pvalue
    assert (usual < 0.05).mean() > 0.5
    assert (crossed_quasi_t(d).p_value < 0.05).mean() <= 0.065


def test_few_subjects_are_held_as_strictly_as_few_seeds() -> None:
    rng = np.random.default_rng(0)
    for n_subjects in (2, 3, 4):
        found = crossed_quasi_t(studies(rng, 4000, n_subjects, 10, (0.01, 0.005, 0.005)))
        assert (found.df <= n_subjects - 1).all()
        assert (found.p_value < 0.05).mean() < 0.065  # uncapped 10 % with two subjects


def test_three_by_three_by_hand() -> None:
    found = crossed_quasi_t(np.array([[0.01, 0.03, 0.02], [0.00, 0.05, 0.01], [0.04, 0.06, 0.08]]))
    # Mean squares .0016, .0007, .00025, as anova_lm of y ~ C(s) + C(k) has them; df would be 2.73.
    assert float(found.standard_error) == pytest.approx((0.00205 / 9) ** 0.5)
    assert float(found.df) == 2.0 and not found.floored
