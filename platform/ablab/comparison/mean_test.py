"""Chooses and makes the one test that a matrix of subjects and seeds allows; refuses where none does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ablab.comparison import verdicts
from ablab.comparison.quasi_t import LEAST_SEEDS, crossed_quasi_t
from ablab.comparison.student import quantile, two_sided_p
from ablab.comparison.values import MeanTest, ModelScope, TestName

Floats = NDArray[np.float64]


def mean_test(values: Floats, alpha: float, scope: ModelScope) -> MeanTest:
    """Whether the mean of ``values``: (n_subjects, n_seeds) is zero, and its interval.

    - pooled, several subjects and seeds: crossed quasi-t;
    - pooled, one subject (or a metric without subjects): paired t-test over seeds;
    - per_subject: seeds are averaged within the subject, then a paired t-test over subjects.

    Pooled models need three seeds at least.

    >>> test = mean_test(np.array([[0.01, 0.03, 0.02]]), alpha=0.05, scope="pooled")
    >>> test.name, round(test.p_value, 3)
    ('paired t-test over seeds', 0.074)
    """
    n_subjects, n_seeds = values.shape
    if n_subjects == 0 or n_seeds == 0:
        return MeanTest(mean=None, refused=verdicts.NO_PAIRS)
    mean = float(values.mean())
    if scope == "per_subject":
        if n_subjects < 2:
            return MeanTest(mean=mean, refused=verdicts.ONE_SUBJECT)
        return _paired_t(values.mean(axis=1), alpha, "paired t-test over subjects")
    if n_seeds < 2:
        return MeanTest(mean=mean, refused=verdicts.ONE_SEED)
    if n_seeds < LEAST_SEEDS:
        return MeanTest(mean=mean, refused=verdicts.TWO_SEEDS)
    if n_subjects < 2:
        return _paired_t(values[0], alpha, "paired t-test over seeds")
    return _quasi_t(values, alpha)


def _quasi_t(values: Floats, alpha: float) -> MeanTest:
    result = crossed_quasi_t(values, alpha)
    narrow = crossed_quasi_t(values, 2 * alpha)
    return MeanTest(
        mean=float(result.delta),
        name="crossed quasi-t",
        standard_error=float(result.standard_error),
        df=_defined(float(result.df)),
        p_value=_defined(float(result.p_value)),
        ci_low=float(result.ci_low),
        ci_high=float(result.ci_high),
        equivalence_low=float(narrow.ci_low),
        equivalence_high=float(narrow.ci_high),
    )


def _paired_t(values: Floats, alpha: float, name: TestName) -> MeanTest:
    mean, df = float(values.mean()), values.size - 1
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    margin, narrow = (float(quantile(1 - tail, df)) * error for tail in (alpha / 2, alpha))
    if error:
        p_value: float | None = float(two_sided_p(mean / error, df))
    else:
        p_value = 0.0 if mean else None
    return MeanTest(
        mean=mean,
        name=name,
        standard_error=error,
        df=float(df),
        p_value=p_value,
        ci_low=mean - margin,
        ci_high=mean + margin,
        equivalence_low=mean - narrow,
        equivalence_high=mean + narrow,
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
