from __future__ import annotations

import numpy as np
import pytest

from ablab.comparison.bootstrap import percentile_interval, pigeonhole


def test_a_draw_is_the_mean_of_the_drawn_subjects_and_seeds() -> None:
    values = np.random.default_rng(0).normal(size=(7, 4))
    draws = pigeonhole(7, 4, 50)
    means = draws.means(values)
    for index in range(50):
        subjects = np.repeat(np.arange(7), np.round(7 * draws.subjects[index]).astype(int))
        seeds = np.repeat(np.arange(4), np.round(4 * draws.seeds[index]).astype(int))
        assert (len(subjects), len(seeds)) == (7, 4)
        assert means[index] == pytest.approx(values[np.ix_(subjects, seeds)].mean())


def test_its_variance_is_what_owen_says() -> None:
    """Pure subject variance: the bootstrap variance of the mean is the plug-in one."""
    by_subject = np.random.default_rng(1).normal(size=12)
    means = pigeonhole(12, 5, 40_000).means(np.tile(by_subject[:, None], (1, 5)))
    assert means.var() == pytest.approx(by_subject.var() / 12, rel=0.05)


def test_several_matrices_share_the_draws() -> None:
    values = np.random.default_rng(2).normal(size=(3, 6, 4))
    draws = pigeonhole(6, 4, 30)
    assert draws.means(values).shape == (3, 30)
    assert draws.means(values).sum(axis=0) == pytest.approx(draws.means(values.sum(axis=0)))


def test_the_interval_is_the_central_share() -> None:
    assert percentile_interval(np.arange(1001.0), 0.1) == (50.0, 950.0)
