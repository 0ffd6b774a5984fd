"""The primary test: is a mean over subjects and training seeds zero, both being random and crossed?

One model per seed is trained on all subjects, so every subject is seen under every seed. The paired
differences d[s, k] (subject s, seed k) follow the two-way random model without replication

    d[s, k] = mu + a[s] + b[k] + e[s, k],    a ~ (0, va),  b ~ (0, vb),  e ~ (0, ve)

whose mean over S subjects and K seeds has the variance va/S + vb/K + ve/(S K). From the mean squares

    MS_subject  = K sum_s (d[s, .] - d[., .])^2 / (S - 1)                        estimates ve + K va
    MS_seed     = S sum_k (d[., k] - d[., .])^2 / (K - 1)                        estimates ve + S vb
    MS_residual = sum_sk (d[s, k] - d[s, .] - d[., k] + d[., .])^2 / ((S-1)(K-1))  estimates ve

that variance is estimated without bias by (MS_subject + MS_seed - MS_residual) / (S K), Clark's
quasi-F denominator with one numerator degree of freedom, here as a t. The degrees of freedom are
Satterthwaite's:

    df = (MS_subject + MS_seed - MS_residual)^2
         / (MS_subject^2/(S-1) + MS_seed^2/(K-1) + MS_residual^2/((S-1)(K-1)))

The estimate can fall below what one source alone contributes (even below zero). It is therefore
floored at the larger of MS_subject/(S K), the paired t over subjects, and MS_seed/(S K), the paired t
over seeds; where the floor holds, df is that source's own, S - 1 or K - 1. Below five seeds df is
capped at K - 1, below five subjects at S - 1.

Sources: Clark (1973), "The language-as-fixed-effect fallacy", J. Verbal Learning and Verbal Behavior
12, 335-359; Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.student import quantile, two_sided_p

Floats = NDArray[np.float64]

LEAST_SEEDS = 3
"""Fewer seeds are not tested: the interval of two stands on one degree of freedom, t = 12.7."""

FEW_SEEDS = 5
"""Below so many seeds degrees of freedom are capped and every verdict is exploratory: with K = 3 the
uncapped test has 9 % false positives at a nominal 5 %, with K = 5 it has 4.9 %."""


FEW_SUBJECTS = 5
"""Below so many subjects degrees of freedom are capped too: the test knows no difference between subjects
and seeds, and uncapped has up to 10 % false positives with two subjects and ten seeds."""


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Two-way analysis of variance without replication; every field has the leading axes' shape."""

    mean: Floats
    subject: Floats
    seed: Floats
    residual: Floats


@dataclass(frozen=True, slots=True)
class QuasiT:
    """The crossed quasi-t of one or many matrices; every array has the leading axes' shape."""

    delta: Floats
    standard_error: Floats
    df: Floats
    """NaN where all values are equal, so that nothing is estimated."""
    t: Floats
    p_value: Floats
    """NaN where all values are zero: the arms are identical and p is undefined."""
    ci_low: Floats
    ci_high: Floats
    floored: NDArray[np.bool_]
    """Where the variance is that of the larger single source."""


def mean_squares(values: Floats) -> MeanSquares:
    """Mean squares of ``values``: (..., n_subjects, n_seeds), at least two of each.

    >>> squares = mean_squares(np.array([[1.0, 2.0], [3.0, 6.0]]))
    >>> float(squares.subject), float(squares.seed), float(squares.residual)
    (9.0, 4.0, 1.0)
    """
    n_subjects, n_seeds = values.shape[-2:]
    if n_subjects < 2 or n_seeds < 2:
        raise ValueError(f"needs at least 2 subjects and 2 seeds, not {n_subjects} and {n_seeds}")
    by_subject = values.mean(axis=-1)
    by_seed = values.mean(axis=-2)
    mean = by_subject.mean(axis=-1)
    residual = values - by_subject[..., :, None] - by_seed[..., None, :] + mean[..., None, None]
    return MeanSquares(
        mean=mean,
        subject=n_seeds * by_subject.var(axis=-1, ddof=1),
        seed=n_subjects * by_seed.var(axis=-1, ddof=1),
        residual=np.square(residual).sum(axis=(-2, -1)) / ((n_subjects - 1) * (n_seeds - 1)),
    )


def crossed_quasi_t(differences: Floats, alpha: float = 0.05) -> QuasiT:
    """Test and 1 - ``alpha`` interval of the mean of ``differences``: (..., n_subjects, n_seeds).

    >>> result = crossed_quasi_t(np.array([[1.0, 2.0], [3.0, 6.0]]))
    >>> float(result.delta), round(float(result.standard_error), 3), float(result.df)
    (3.0, 1.732, 1.0)
    """
    differences = np.asarray(differences, dtype=np.float64)
    n_subjects, n_seeds = differences.shape[-2:]
    squares = mean_squares(differences)
    df_subject, df_seed = n_subjects - 1, n_seeds - 1

    combined = squares.subject + squares.seed - squares.residual
    larger = np.maximum(squares.subject, squares.seed)
    floored = combined < larger
    standard_error = np.sqrt(np.where(floored, larger, combined) / (n_subjects * n_seeds))

    with np.errstate(divide="ignore", invalid="ignore"):  # all values equal: 0 / 0, reported as NaN
        satterthwaite = combined**2 / (
            squares.subject**2 / df_subject
            + squares.seed**2 / df_seed
            + squares.residual**2 / (df_subject * df_seed)
        )
        df = np.where(floored, np.where(squares.subject >= squares.seed, df_subject, df_seed), satterthwaite)
        if n_seeds < FEW_SEEDS:
            df = np.minimum(df, df_seed)
        if n_subjects < FEW_SUBJECTS:
            df = np.minimum(df, df_subject)
        t = squares.mean / standard_error
        margin = quantile(1 - alpha / 2, df) * standard_error
    certain = standard_error == 0  # every value equal: an interval of no width, no matter the df
    margin = np.where(certain, 0.0, margin)
    p_value = np.where(certain & (squares.mean != 0), 0.0, two_sided_p(t, df))
    return QuasiT(
        delta=squares.mean,
        standard_error=standard_error,
        df=np.asarray(df, dtype=np.float64),
        t=np.asarray(t, dtype=np.float64),
        p_value=p_value,
        ci_low=squares.mean - margin,
        ci_high=squares.mean + margin,
        floored=floored,
    )
