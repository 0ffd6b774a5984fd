"""Correlation of two signals in every window of a given length. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

ACTIVE = 0.05
"""A stretch whose SD is below this share of its recording's SD is a pause, and correlates with nothing."""


def coarse_r(first: Signal, second: Signal, length: int, ratio: int) -> Signal:
    """As `sliding_r`, after averaging blocks of ``ratio`` samples from each window's own first sample on."""
    r = np.empty(len(first) - length + 1)
    for phase in range(min(ratio, len(r))):
        blocks = [
            signal[phase : phase + (len(signal) - phase) // ratio * ratio].reshape(-1, ratio).mean(axis=1)
            for signal in (first, second)
        ]
        r[phase::ratio] = sliding_r(blocks[0], blocks[1], length // ratio)
    return r


def sliding_r(first: Signal, second: Signal, length: int) -> Signal:
    """|r| of every window of ``length`` samples at the same place in both; 0 in pauses."""
    sums = [_moving_sum(signal, length) for signal in (first, second)]
    power = [_moving_sum(signal * signal, length) for signal in (first, second)]
    variance = [p - s * s / length for p, s in zip(power, sums, strict=True)]
    covariance = _moving_sum(first * second, length) - sums[0] * sums[1] / length
    active = np.minimum(variance[0], variance[1]) > ACTIVE**2 * length
    scale = np.sqrt(np.where(active, variance[0] * variance[1], np.inf))
    return np.asarray(np.minimum(np.abs(covariance) / scale, 1.0))


def _moving_sum(signal: Signal, length: int) -> Signal:
    total = np.concatenate([[0.0], np.cumsum(signal)])
    return np.asarray(total[length:] - total[:-length])


def cosines(n_times: int, n: int) -> NDArray[np.float32]:
    """The first ``n`` cosine waves over a window, orthonormal, without the constant: ``(n_times, n)``."""
    orders = np.arange(1, min(n, n_times - 1) + 1)
    waves = np.cos(np.pi * np.outer(np.arange(n_times) + 0.5, orders) / n_times)
    return np.asarray(waves * np.sqrt(2 / n_times), dtype=np.float32)


def unit(rows: Signal) -> Signal:
    """Each row without its mean and at length 1; zero where it is constant."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("nt,nt->n", centred, centred))
    return np.asarray(centred / np.where(norm > 0, norm, np.inf)[:, None])
