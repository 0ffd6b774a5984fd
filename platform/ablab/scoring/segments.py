"""A recording's prediction -> r per segment, with the rules for segments that have no correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ablab.scoring.pearson import Signal, pearson


def segment_pearson(prediction: Signal, target: Signal, n_segment: int) -> NDArray[np.float64]:
    """Pearson's r of each consecutive segment of ``n_segment`` samples: ``(n_segments,)``.

    prediction, target: ``(n_times,)`` or ``(n_times, 1)``, both alike; all values finite.

    The tail that fills no segment is dropped. A recording shorter than one segment is scored as a single
    segment, whole, so that it still counts.

    A segment whose *target* is constant (silence) has no correlation with anything: NaN, to be left out of
    means. A segment whose *prediction* alone is constant scores 0: a decoder that answers the same whatever
    it hears has learnt nothing, and leaving such segments out would reward it.

    >>> envelope = np.arange(10.0)
    >>> segment_pearson(2 * envelope, envelope, n_segment=4)
    array([1., 1.])
    """
    predicted, true = segments(prediction, target, n_segment)
    r = pearson(predicted, true)
    r[is_constant(predicted) & ~is_constant(true)] = 0.0
    return r


def segments(
    prediction: Signal, target: Signal, n_segment: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both signals cut as `segment_pearson` scores them: each ``(n_segments, n_samples)``, float64."""
    if n_segment < 2:
        raise ValueError(f"n_segment is {n_segment}; a correlation needs at least 2 samples")
    if np.shape(prediction) != np.shape(target):
        raise ValueError(
            f"prediction {np.shape(prediction)} and target {np.shape(target)} differ in shape; "
            "give both as (n_times,) or both as (n_times, 1)"
        )
    return _cut(prediction, n_segment, "prediction"), _cut(target, n_segment, "target")


def is_constant(cut: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of ``(n_segments, n_samples)`` hold one value throughout: ``(n_segments,)``."""
    constant: NDArray[np.bool_] = (cut == cut[:, :1]).all(axis=1)
    return constant


def _cut(signal: Signal, n_segment: int, side: str) -> NDArray[np.float64]:
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"{side} has shape {np.shape(signal)}; it must be (n_times,) or (n_times, 1), n_times >= 2"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{side} holds {int((~np.isfinite(values)).sum())} values that are NaN or infinite")
    length = min(n_segment, len(values))
    count = len(values) // length
    return values[: count * length].reshape(count, length)
