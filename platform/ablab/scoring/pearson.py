"""The Pearson correlation, exact at every scale. Knows nothing of recordings or subjects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[Any]
"""Real numbers of any dtype; computed on as float64."""


def pearson(prediction: Signal, target: Signal, axis: int = -1) -> NDArray[np.float64]:
    """Pearson's r along ``axis``, in float64; NaN where either side is constant.

    Both sides must have the same shape: nothing is broadcast, because ``(T,)`` against ``(T, 1)`` would
    silently become ``(T, T)``. No epsilon is added, so r does not depend on the signals' scale.

    >>> float(pearson(np.array([1.0, 2.0, 4.0]), np.array([2e-30, 4e-30, 8e-30])))
    1.0
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction {prediction.shape} and target {target.shape} differ in shape; "
            "give both the same, such as (n_times,)"
        )
    if prediction.ndim == 0 or prediction.shape[axis] < 2:
        raise ValueError(f"a correlation needs at least 2 samples, got shape {prediction.shape}")
    r: NDArray[np.float64] = np.sum(unit(prediction, axis) * unit(target, axis), axis=axis)
    return np.clip(r, -1.0, 1.0)


def unit(signal: Signal, axis: int = -1) -> NDArray[np.float64]:
    """``signal`` without its mean and at length 1 along ``axis``; NaN where it is constant.

    The product sum of two such signals is their r. Constancy is tested on the samples themselves: the
    mean of equal numbers is not always that number, and a residue of 1e-17 would be scaled up to noise.

    >>> unit(np.array([3.0, 5.0]))
    array([-0.70710678,  0.70710678])
    """
    values = np.asarray(signal, dtype=np.float64)
    centred: NDArray[np.float64] = values - values.mean(axis=axis, keepdims=True)
    # Dividing by the largest value first keeps the squares of tiny and huge signals within range.
    largest = np.abs(centred).max(axis=axis, keepdims=True)
    constant = (values == np.take(values, [0], axis=axis)).all(axis=axis, keepdims=True)
    centred /= np.where(constant, np.nan, largest)
    centred /= np.sqrt(np.sum(centred * centred, axis=axis, keepdims=True))
    return centred
