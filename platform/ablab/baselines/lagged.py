"""Products of time-lagged EEG without ever building the lagged matrix. Pure numpy, float64.

The lagged matrix of a recording has a row per sample t and a column per (lag, channel): the EEG ``lag``
samples after t, zero beyond the recording's end (as mTRFpy pads).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over samples that linear regression needs; moments of several recordings add up."""

    gram: Signal
    """``(n_lags * n_chans, n_lags * n_chans)``, columns ordered by lag, then channel."""
    cross: Signal
    """``(n_lags * n_chans,)``: product with the envelope."""
    column_sum: Signal
    """``(n_lags * n_chans,)``."""
    target_sum: float
    n_times: int

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.gram + other.gram,
            self.cross + other.cross,
            self.column_sum + other.column_sum,
            self.target_sum + other.target_sum,
            self.n_times + other.n_times,
        )


def moments(eeg: NDArray[Any], envelope: NDArray[Any], n_lags: int) -> Moments:
    """Moments of one recording: eeg ``(n_times, n_chans)``, envelope ``(n_times, 1)``.

    The block of lags (l, m) is the block (l - 1, m - 1) less one outer product, so only ``n_lags`` products
    of whole recordings are computed and not ``n_lags`` squared.
    """
    x = np.asarray(eeg, dtype=np.float64)
    y = np.asarray(envelope, dtype=np.float64).reshape(-1)
    n_times, n_chans = x.shape
    if n_times < n_lags:
        raise ValueError(f"{n_times} samples are fewer than the {n_lags} lags")
    gram = np.empty((n_lags, n_chans, n_lags, n_chans))
    for gap in range(n_lags):
        block = x[: n_times - gap].T @ x[gap:]
        for lag in range(n_lags - gap):
            gram[lag, :, lag + gap] = block
            gram[lag + gap, :, lag] = block.T
            block = block - np.outer(x[lag], x[lag + gap])
    cross = np.stack([x[lag:].T @ y[: n_times - lag] for lag in range(n_lags)])
    head = np.concatenate([np.zeros((1, n_chans)), np.cumsum(x[: n_lags - 1], axis=0)])
    size = n_lags * n_chans
    return Moments(
        gram.reshape(size, size), cross.ravel(), (x.sum(axis=0) - head).ravel(), float(y.sum()), n_times
    )


def predict(eeg: NDArray[Any], weights: Signal, bias: Signal, n_lags: int) -> Signal:
    """Envelopes of several models at once: ``(n_times, n_models)``.

    weights: ``(n_lags * n_chans, n_models)``, bias: ``(n_models,)``.
    """
    x = np.asarray(eeg, dtype=np.float64)
    n_times, n_chans = x.shape
    by_lag = weights.reshape(n_lags, n_chans, -1)
    envelope = np.tile(bias, (n_times, 1))
    for lag in range(n_lags):
        envelope[: n_times - lag] += x[lag:] @ by_lag[lag]
    return envelope
