"""Histograms of many tensors in one pass: tensor by tensor, most of the time goes into the calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 30
"""Of equal width: TensorBoard makes as many of whatever it is given. Every byte more costs the thread that
writes 0.1 us: its checksum is a loop in Python."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Of the finite elements of one tensor."""

    n: int
    low: float
    high: float
    total: float
    squares: float
    """Sum of the squared elements."""
    edges: list[float]
    """`BINS` + 1 ends of the bins, rising; from ``low`` to ``high`` where the two can be told apart."""
    counts: list[int]
    """Elements in each bin; one that lies on an edge may be in either."""


def histograms_of(elements: NDArray[np.float32], lengths: Sequence[int]) -> list[Histogram | None]:
    """Of consecutive runs of so many elements each; None where no element of a run is finite.

    >>> one, none = histograms_of(np.array([0.0, 1.0, 1.0, np.nan], dtype=np.float32), [3, 1])
    >>> one.n, one.low, one.high, one.counts[0], one.counts[-1], none
    (3, 0.0, 1.0, 1, 2, None)
    """
    sizes = np.array(lengths, dtype=np.int64)
    finite = np.isfinite(elements)
    if not finite.all():
        sizes = np.bincount(np.repeat(np.arange(len(sizes)), sizes)[finite], minlength=len(sizes))
        elements = elements[finite]
    if not elements.size:
        return [None] * len(sizes)
    values, filled = elements.astype(np.float64), sizes > 0
    within = sizes[filled]
    first = np.cumsum(within) - within
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    total, squares = np.add.reduceat(values, first), np.add.reduceat(values * values, first)
    begin, end = _ends(low, high)
    values -= np.repeat(begin, within)
    values *= np.repeat(BINS / (end - begin), within)
    place = values.astype(np.intp).clip(0, BINS - 1)
    place += np.repeat(BINS * np.arange(len(within)), within)
    counts = np.bincount(place, minlength=BINS * len(within)).reshape(-1, BINS)
    edges = begin[:, None] + (end - begin)[:, None] * (np.arange(BINS + 1) / BINS)
    edges[:, -1] = end
    columns = (within, low, high, total, squares, edges, counts)
    drawn = map(Histogram, *(column.tolist() for column in columns))
    return [next(drawn) if some else None for some in filled]


def _ends(
    low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest value, apart by what it takes to tell the edges of the bins from one another.

    Where all values are the same, as those of a bias before the first step, apart by 1 at least: an axis
    around one number has labels that nobody can read.
    """
    least = 4 * BINS * np.spacing(np.maximum(np.maximum(-low, high), 1e-20))
    least = np.where(low == high, np.maximum(least, 1.0), least)
    missing = np.maximum(least - (high - low), 0.0) / 2
    return low - missing, high + missing
