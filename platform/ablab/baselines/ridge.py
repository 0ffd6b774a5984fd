"""Ridge regression from lagged EEG to the envelope: all penalties from one eigendecomposition.

Lags of 0 to 406 ms (the EEG follows the sound), intercept not penalised. A penalty is times the mean variance
of the lagged columns and the number of samples: it means the same whatever the units and the amount of data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ablab.baselines.lagged import Moments, Signal, moments, predict, total
from ablab.data.corpus import Recording

N_LAGS = 27
"""0 to 26 samples at 64 Hz, 0 to 406 ms."""
PENALTIES = tuple(float(10.0**power) for power in np.arange(-3.0, 3.01, 0.5))
"""In units of the mean feature variance: with z-scored EEG, 1 adds one variance to every column."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Weights ``(n_lags * n_chans, n_models)`` by lag, then channel, and bias ``(n_models,)``."""

    weights: Signal
    bias: Signal

    def predict(self, recording: Recording) -> Signal:
        """``(n_times, n_models)``."""
        return predict(recording.eeg, self.weights, self.bias, N_LAGS)

    def only(self, index: int) -> LinearModel:
        """One of the models."""
        return LinearModel(self.weights[:, index : index + 1], self.bias[index : index + 1])


def moments_of(recordings: Sequence[Recording]) -> Moments:
    """What regression needs of these recordings, at least one."""
    return total([moments(part.eeg, part.envelope, N_LAGS) for part in recordings])


def fit(train: Sequence[Recording], penalties: Sequence[float]) -> LinearModel:
    """One model per penalty on all of these recordings."""
    return solve(moments_of(train), penalties)


def solve(train: Moments, penalties: Sequence[float]) -> LinearModel:
    """One model per penalty from the moments of the training data."""
    gram, cross, _ = train.centred()
    unit = np.trace(gram) / len(gram)
    # Divide and conquer: one decomposition costs as much as a Cholesky factor for each of 15 penalties.
    values, vectors = scipy.linalg.eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
    lifted = np.maximum(values, 0.0)[:, None] + unit * np.asarray(penalties)[None, :]
    weights = vectors @ ((vectors.T @ cross)[:, None] / lifted)
    mean = train.column_sums() / train.n_times
    return LinearModel(weights, train.target_sum / train.n_times - mean @ weights)


def correlations(models: LinearModel, held_out: Moments) -> Signal:
    """Each model's r with the envelope over all held-out samples together: ``(n_models,)``.

    From moments, so that nothing is predicted. NaN where the envelope, or a model's prediction, is constant.
    """
    gram, cross, target = held_out.centred()
    covariance = cross @ models.weights
    power = np.einsum("fm,fm->m", models.weights, gram @ models.weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(covariance / np.sqrt(power * max(target, 0.0)), dtype=np.float64)
