"""Power of the crossed quasi-t: the smallest effect a design detects, and the seeds an effect needs.

Minimum detectable effect = (t[1 - alpha/2, df] + t[power, df]) * sqrt(va/S + vb/K + ve/(S K)), with va,
vb and ve the variances of the paired differences by subject, by seed and otherwise. df is
Satterthwaite's at the expected mean squares of that design, capped at K - 1 below five seeds and at S - 1
below five subjects, as in ``comparison.quasi_t``. More subjects shrink va/S and ve/(S K), never vb/K.
"""

from __future__ import annotations

import math

from ablab.comparison.quasi_t import FEW_SEEDS, FEW_SUBJECTS, LEAST_SEEDS
from ablab.comparison.student import quantile

POWER = 0.8
"""Chance of finding an effect of the size asked for; 80 % by convention (Cohen 1988)."""

MOST_SEEDS = 200
"""No more seeds than this are ever advised: a training run each, forty times the default of five."""


def detectable(
    sd_subject: float,
    sd_seed: float,
    sd_residual: float,
    n_subjects: int,
    n_seeds: int,
    alpha: float = 0.05,
    power: float = POWER,
) -> float:
    """Smallest true difference that a two-sided test at ``alpha`` finds with probability ``power``.

    Infinite where no test is made (fewer than two subjects or three seeds).

    >>> round(detectable(0.02, 0.005, 0.01, n_subjects=71, n_seeds=5), 4)
    0.0099
    """
    if n_subjects < 2 or n_seeds < LEAST_SEEDS:
        return math.inf
    variance = sd_subject**2 / n_subjects + sd_seed**2 / n_seeds + sd_residual**2 / (n_subjects * n_seeds)
    if variance == 0:
        return 0.0
    df = _expected_df(sd_subject, sd_seed, sd_residual, n_subjects, n_seeds)
    return float(quantile(1 - alpha / 2, df) + quantile(power, df)) * math.sqrt(variance)


def seeds_needed(
    sd_subject: float,
    sd_seed: float,
    sd_residual: float,
    n_subjects: int,
    effect: float,
    alpha: float = 0.05,
    power: float = POWER,
) -> int | None:
    """Fewest seeds, five or more, that detect ``effect``; None where ``MOST_SEEDS`` do not.

    >>> seeds_needed(0.005, 0.01, 0.01, n_subjects=8, effect=0.01)
    14
    """
    for n_seeds in range(FEW_SEEDS, MOST_SEEDS + 1):
        if detectable(sd_subject, sd_seed, sd_residual, n_subjects, n_seeds, alpha, power) <= effect:
            return n_seeds
    return None


def _expected_df(
    sd_subject: float, sd_seed: float, sd_residual: float, n_subjects: int, n_seeds: int
) -> float:
    residual = sd_residual**2
    subject = residual + n_seeds * sd_subject**2
    seed = residual + n_subjects * sd_seed**2
    spread = (
        subject**2 / (n_subjects - 1)
        + seed**2 / (n_seeds - 1)
        + residual**2 / ((n_subjects - 1) * (n_seeds - 1))
    )
    df = (subject + seed - residual) ** 2 / spread
    if n_seeds < FEW_SEEDS:
        df = min(df, n_seeds - 1)
    return min(df, n_subjects - 1) if n_subjects < FEW_SUBJECTS else df
