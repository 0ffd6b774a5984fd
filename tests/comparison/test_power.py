from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablab.comparison.power import detectable, seeds_needed
from ablab.comparison.quasi_t import crossed_quasi_t


def test_the_formula_at_a_known_df() -> None:
    # Only seeds vary: df is K - 1, the standard error sd / sqrt(K).
    expected = (stats.t.ppf(0.975, 5) + stats.t.ppf(0.8, 5)) * 0.01 / 6**0.5
    assert detectable(0, 0.01, 0, n_subjects=20, n_seeds=6) == pytest.approx(expected)


def test_an_effect_of_the_detectable_size_is_found_four_times_in_five() -> None:
    sd, subjects, seeds = (0.01, 0.008, 0.01), 30, 8
    effect = detectable(*sd, n_subjects=subjects, n_seeds=seeds)
    rng = np.random.default_rng(0)
    d = effect + (
        rng.normal(0, sd[0], (4000, subjects, 1))
        + rng.normal(0, sd[1], (4000, 1, seeds))
        + rng.normal(0, sd[2], (4000, subjects, seeds))
    )
    assert 0.76 <= (crossed_quasi_t(d).p_value < 0.05).mean() <= 0.86


def test_more_subjects_do_not_buy_off_few_seeds() -> None:
    few, many = (detectable(0.005, 0.01, 0.01, n_subjects=n, n_seeds=3) for n in (85, 85_000))
    assert many > 0.9 * few


def test_no_test_detects_nothing_and_no_variance_detects_all() -> None:
    assert detectable(0.01, 0.01, 0.01, n_subjects=8, n_seeds=1) == math.inf
    assert detectable(0.0, 0.0, 0.0, n_subjects=8, n_seeds=3) == 0.0


def test_seeds_needed_are_the_fewest_that_detect() -> None:
    sd = (0.005, 0.015, 0.01)
    n = seeds_needed(*sd, n_subjects=20, effect=0.01)
    assert n is not None
    assert detectable(*sd, n_subjects=20, n_seeds=n) <= 0.01 < detectable(*sd, n_subjects=20, n_seeds=n - 1)


def test_seeds_cannot_buy_off_few_subjects() -> None:
    assert seeds_needed(0.05, 0.001, 0.001, n_subjects=4, effect=0.01) is None


def test_two_seeds_detect_nothing_since_no_test_is_made_of_them() -> None:
    assert detectable(0.01, 0.01, 0.01, n_subjects=20, n_seeds=2) == math.inf
    assert detectable(0.01, 0.01, 0.01, n_subjects=20, n_seeds=3) < math.inf
