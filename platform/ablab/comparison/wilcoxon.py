"""Wilcoxon's signed-rank test, exact, and refused where it could never be significant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n differences other than zero can reach: all of one sign, 2 / 2^n.

    >>> smallest_p(5), smallest_p(6)
    (0.0625, 0.03125)
    """
    return min(1.0, 2.0 ** (1 - n))


def refusal(n: int, alpha: float) -> str | None:
    """Why a signed-rank test of n differences at ``alpha`` says nothing; None where it can say something.

    >>> refusal(5, 0.05)
    'refused: of 5 differences the smallest possible p is 0.0625, above alpha 0.05; 6 are needed'
    """
    if smallest_p(n) <= alpha:
        return None
    needed = n
    while smallest_p(needed) > alpha:
        needed += 1
    return (
        f"refused: of {n} differences the smallest possible p is {smallest_p(n):g}, above alpha {alpha:g}; "
        f"{needed} are needed"
    )


def signed_rank_p(differences: NDArray[np.float64]) -> float | None:
    """Two-sided p of the signed-rank test of ``differences``: (n,); None where all are zero.

    Zeros are left out and ties share their mean rank; the distribution is the exact one of the ranks at hand
    over all 2^n signs (Wilcoxon 1945, Biometrics Bulletin 1, 80-83), computed by convolution.

    >>> signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    0.03125
    """
    values = differences[differences != 0]
    n = values.size
    if n == 0:
        return None
    doubled = _doubled_ranks(np.abs(values))
    total = int(doubled.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[: total + 1 - rank]
        ways = (ways + shifted) / 2
    plus = int(doubled[values > 0].sum())
    smaller = min(plus, total - plus)
    return float(min(1.0, 2 * ways[: smaller + 1].sum()))


def _doubled_ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the mean ranks, so that ties stay whole numbers."""
    _, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((2 * last - counts + 1)[inverse], dtype=np.int64)
