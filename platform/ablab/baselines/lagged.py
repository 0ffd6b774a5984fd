"""Products of time-lagged EEG without ever building the lagged matrix. Pure numpy, float64.

The lagged matrix of a recording has a row per sample t and a column per (lag, channel): the EEG ``lag``
samples after t, zero beyond the recording's end (as mTRFpy pads).

Its Gram matrix has little in it: the block of lags (l, l + gap) is the block (0, gap), less the outer
products of the first l samples with those ``gap`` later. So one block per lag and the first samples of each
recording are kept, 1 MB instead of 24 at 27 lags and 64 channels: those of 85 subjects fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

_CHUNK = 1024
"""Samples read at once; with all lags beside one another 14 MB of float64 at 27 lags and 64 channels."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over samples that linear regression needs, of one or several recordings."""

    products: Signal
    """``(n_lags, n_chans, n_chans)``: EEG with the EEG ``lag`` samples later."""
    heads: Signal
    """``(n_recordings, n_lags - 1, n_chans)``: the first samples of each recording."""
    cross: Signal
    """``(n_lags, n_chans)``: EEG ``lag`` samples later with the envelope."""
    sums: Signal
    """``(n_chans,)``."""
    target_sum: float
    target_square: float
    n_times: int

    def gram(self) -> Signal:
        """``(n_lags * n_chans, n_lags * n_chans)``, columns ordered by lag, then channel."""
        n_lags, n_chans, _ = self.products.shape
        flat = self.heads.reshape(len(self.heads), -1)
        lost = (flat.T @ flat).reshape(n_lags - 1, n_chans, n_lags - 1, n_chans)
        gram = np.empty((n_lags, n_chans, n_lags, n_chans))
        for gap in range(n_lags):
            block = self.products[gap]
            for lag in range(n_lags - gap):
                gram[lag, :, lag + gap] = block
                gram[lag + gap, :, lag] = block.T
                if lag + gap < n_lags - 1:
                    block = block - lost[lag, :, lag + gap]
        square: Signal = gram.reshape(n_lags * n_chans, -1)
        return square

    def column_sums(self) -> Signal:
        """``(n_lags * n_chans,)``."""
        heads = np.cumsum(self.heads.sum(axis=0), axis=0)
        lost = np.concatenate([np.zeros((1, len(self.sums))), heads])
        return np.asarray(self.sums - lost, dtype=np.float64).ravel()

    def centred(self) -> tuple[Signal, Signal, float]:
        """Gram matrix, cross products and sum of squares about the means: what an intercept leaves."""
        sums = self.column_sums()
        gram = self.gram()
        gram -= np.outer(sums, sums / self.n_times)
        cross = self.cross.ravel() - sums * (self.target_sum / self.n_times)
        return gram, cross, self.target_square - self.target_sum**2 / self.n_times


def total(parts: Sequence[Moments]) -> Moments:
    """The moments of all recordings together."""
    return Moments(
        products=sum((part.products for part in parts[1:]), parts[0].products.copy()),
        heads=np.concatenate([part.heads for part in parts]),
        cross=sum((part.cross for part in parts[1:]), parts[0].cross.copy()),
        sums=sum((part.sums for part in parts[1:]), parts[0].sums.copy()),
        target_sum=sum(part.target_sum for part in parts),
        target_square=sum(part.target_square for part in parts),
        n_times=sum(part.n_times for part in parts),
    )


def moments(eeg: NDArray[Any], envelope: NDArray[Any], n_lags: int) -> Moments:
    """Moments of one recording: eeg ``(n_times, n_chans)``, envelope ``(n_times, 1)``.

    Read in pieces, so that a memory-mapped recording is never in memory as a whole.
    """
    n_times, n_chans = eeg.shape
    if n_times < n_lags:
        raise ValueError(f"{n_times} samples are fewer than the {n_lags} lags")
    products = np.zeros((n_chans, n_lags * n_chans))
    cross = np.zeros(n_lags * n_chans)
    sums = np.zeros(n_chans)
    target_sum = target_square = 0.0
    for start in range(0, n_times, _CHUNK):
        piece = np.asarray(eeg[start : start + _CHUNK + n_lags - 1], dtype=np.float64)
        target = np.asarray(envelope[start : start + _CHUNK], dtype=np.float64).reshape(-1)
        lagged = _lagged(piece, len(target), n_lags)
        now = piece[: len(target)]
        products += now.T @ lagged
        cross += target @ lagged
        sums += now.sum(axis=0)
        target_sum += float(target.sum())
        target_square += float(target @ target)
    return Moments(
        products=np.ascontiguousarray(products.reshape(n_chans, n_lags, n_chans).swapaxes(0, 1)),
        heads=np.asarray(eeg[: n_lags - 1], dtype=np.float64)[None],
        cross=cross.reshape(n_lags, n_chans),
        sums=sums,
        target_sum=target_sum,
        target_square=target_square,
        n_times=n_times,
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


def _lagged(piece: Signal, n_times: int, n_lags: int) -> Signal:
    """``n_times`` rows of the lagged matrix, zero beyond the end of ``piece``."""
    rows = np.zeros((n_times, n_lags, piece.shape[1]))
    for lag in range(n_lags):
        later = piece[lag : lag + n_times]
        rows[: len(later), lag] = later
    return rows.reshape(n_times, -1)
