"""Effect of one cell against another: test, variance budget, effect sizes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ablab.comparison.mean_test import mean_test
from ablab.comparison.power import seeds_needed
from ablab.comparison.values import Effect, ModelScope
from ablab.comparison.variance import components

Floats = NDArray[np.float64]


def effect(differences: Floats, *, alpha: float, sesoi: float | None, scope: ModelScope) -> Effect:
    """What ``differences``: (n_subjects, n_seeds) amount to; both may be 0.

    ``sesoi`` is None for metrics that have no smallest effect of interest.
    """
    n_subjects, n_seeds = differences.shape
    test = mean_test(differences, alpha, scope)
    if test.mean is None:
        return Effect(test=test, n_subjects=n_subjects, n_seeds=n_seeds)
    crossed = scope == "pooled" and n_subjects > 1 and n_seeds > 1
    budget = components(differences) if crossed else None
    needed = None
    if budget is not None and sesoi is not None:
        needed = seeds_needed(budget.sd_subject, budget.sd_seed, budget.sd_residual, n_subjects, sesoi, alpha)
    by_subject = differences.mean(axis=1)
    share = low = high = None
    if n_subjects > 1:
        share = float((by_subject > 0).mean())
        low, high = wilson_interval(int((by_subject > 0).sum()), n_subjects, alpha)
    return Effect(
        test=test,
        n_subjects=n_subjects,
        n_seeds=n_seeds,
        identical=not differences.any(),
        components=budget,
        d_z=_d_z(by_subject),
        share_improved=share,
        share_low=low,
        share_high=high,
        superiority=superiority(differences),
        seeds_needed=needed,
    )


def superiority(differences: Floats) -> float:
    """Share of all entries above zero; ties count half.

    >>> superiority(np.array([[0.1, -0.1], [0.0, 0.2]]))
    0.625
    """
    return float((differences > 0).mean() + (differences == 0).mean() / 2)


def wilson_interval(successes: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927): inside [0, 1], and of positive width at 0 and n.

    >>> low, high = wilson_interval(6, 8)
    >>> round(low, 3), round(high, 3)
    (0.409, 0.929)
    """
    z = float(ndtri(1 - alpha / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - margin), min(1.0, centre + margin)


def _d_z(by_subject: Floats) -> float | None:
    if by_subject.size < 2:
        return None
    sd = float(by_subject.std(ddof=1))
    return float(by_subject.mean()) / sd if sd else None
