from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ablab.comparison.wilcoxon import refusal, signed_rank_p, smallest_p


@pytest.mark.parametrize("n", [6, 9, 20, 85])
def test_the_exact_p_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    assert signed_rank_p(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue, rel=1e-9)


def test_ties_are_counted_over_all_signs() -> None:
    values = np.array([1.0, 1.0, -1.0, 2.0, 3.0, 3.0, 4.0])
    ranks = stats.rankdata(np.abs(values))
    signs = np.array(np.meshgrid(*[[0, 1]] * 7)).reshape(7, -1)
    every = ranks @ signs
    plus, total = ranks[values > 0].sum(), ranks.sum()
    oracle = min(1.0, 2 * (every <= min(plus, total - plus)).mean())
    assert signed_rank_p(values) == pytest.approx(oracle)


def test_zeros_are_left_out() -> None:
    values = np.array([0.0, 0.1, 0.2, -0.3, 0.4, 0.5, 0.6])
    assert signed_rank_p(values) == signed_rank_p(values[1:])
    assert signed_rank_p(np.zeros(4)) is None


@pytest.mark.parametrize("n", range(2, 12))
def test_the_smallest_p_is_that_of_differences_of_one_sign(n: int) -> None:
    assert smallest_p(n) == pytest.approx(signed_rank_p(np.arange(1.0, n + 1)))


def test_five_seeds_are_refused_with_the_reason_and_six_are_not() -> None:
    assert refusal(5, 0.05) == (
        "refused: of 5 differences the smallest possible p is 0.0625, above alpha 0.05; 6 are needed"
    )
    assert refusal(6, 0.05) is None
    assert "8 are needed" in str(refusal(6, 0.01))
