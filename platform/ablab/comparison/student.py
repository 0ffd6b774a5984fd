"""Student's t, vectorised: two-sided p and quantiles. Uses scipy.special, a third of scipy.stats' import."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit


def two_sided_p(t: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """Probability of a statistic at least as far from zero as ``t``; NaN where ``t`` is NaN.

    >>> round(float(two_sided_p(2.776445, 4)), 4)
    0.05
    """
    return np.asarray(2.0 * stdtr(_floats(df), -np.abs(_floats(t))), dtype=np.float64)


def quantile(probability: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """The t below which ``probability`` of the distribution lies.

    >>> round(float(quantile(0.975, 4)), 4)
    2.7764
    """
    return np.asarray(stdtrit(_floats(df), _floats(probability)), dtype=np.float64)


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
