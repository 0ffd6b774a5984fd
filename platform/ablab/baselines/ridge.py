"""The linear backward model: one ridge regression per subject from lagged EEG to the envelope.

Lags of 0 to 406 ms (the EEG follows the sound), intercept not penalised, penalty chosen on validation, the
test part scored once with the segments and means that decoders are scored with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ablab.baselines.lagged import Moments, Signal, moments, predict
from ablab.data.corpus import Corpus, Recording, samples
from ablab.errors import DataError, Problem
from ablab.scoring.aggregate import Scores, subject_means
from ablab.scoring.chance import circular_shift_null
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import Evaluation

VERSION = 1
"""Raised whenever the same data give other numbers; stored results carry it."""
N_LAGS = 27
"""0 to 26 samples at 64 Hz, 0 to 406 ms."""
PENALTIES = tuple(float(10.0**power) for power in np.arange(-3.0, 3.01, 0.5))
"""In units of the mean feature variance: with z-scored EEG, 1 adds one variance to every column."""
_CHANCE_SEED = 0
"""The null is part of the result, so its draws are fixed."""


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """How well the linear model does on a corpus."""

    test_pearson: float
    """Mean over subjects of the mean over recordings of r per segment."""
    per_subject: Mapping[str, float]
    lambdas: Mapping[str, float]
    """Chosen penalty per subject, from `PENALTIES`."""
    chance_p95: float
    """95th percentile of the mean over subjects under circular shifts of the true envelope."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Weights ``(n_lags * n_chans, n_models)`` by lag, then channel, and bias ``(n_models,)``."""

    weights: Signal
    bias: Signal

    def predict(self, recording: Recording) -> Signal:
        """``(n_times, n_models)``."""
        return predict(recording.eeg, self.weights, self.bias, N_LAGS)


def run(
    corpus: Corpus, evaluation: Evaluation, said: Callable[[str, float], None] = lambda subject, r: None
) -> BaselineResult:
    """Fit, choose and score one model per subject; ``said`` hears each subject's test r as it is known."""
    _refuse_too_short(corpus)
    n_segment = samples(evaluation.segment_seconds)
    lambdas: dict[str, float] = {}
    predictions: list[Signal] = []
    targets: list[Signal] = []
    owners: list[str] = []
    for subject in corpus.subjects:
        train, validation, test = (
            [recording for recording in part if recording.subject == subject]
            for part in (corpus.train, corpus.validation, corpus.test)
        )
        models = fit(train, PENALTIES)
        best = _best(models, validation, n_segment)
        lambdas[subject] = PENALTIES[best]
        chosen = LinearModel(models.weights[:, best : best + 1], models.bias[best : best + 1])
        mine = [chosen.predict(recording) for recording in test]
        true = [np.asarray(recording.envelope, dtype=np.float64) for recording in test]
        said(subject, _scores(mine, true, [subject] * len(test), n_segment).mean)
        predictions += mine
        targets += true
        owners += [subject] * len(test)
    scores = _scores(predictions, targets, owners, n_segment)
    null = circular_shift_null(
        predictions,
        targets,
        owners,
        n_segment,
        n_window=n_segment,
        rng=np.random.default_rng(_CHANCE_SEED),
    )
    per_subject = {subject: mean.r for subject, mean in scores.subjects.items()}
    return BaselineResult(scores.mean, per_subject, lambdas, null.group_p95)


def fit(train: Sequence[Recording], penalties: Sequence[float]) -> LinearModel:
    """One model per penalty on all of these recordings.

    Each penalty is times the mean variance of the lagged columns and the number of samples, so that it means
    the same whatever the units and the amount of data.
    """
    return solve(reduce(add, (moments(part.eeg, part.envelope, N_LAGS) for part in train)), penalties)


def solve(total: Moments, penalties: Sequence[float]) -> LinearModel:
    """Ridge regression with a free intercept from the moments of the training data."""
    mean = total.column_sum / total.n_times
    # Centring both sides is the same as an intercept without penalty.
    gram = total.gram - np.outer(mean, total.column_sum)
    cross = total.cross - mean * total.target_sum
    unit = np.trace(gram) / len(gram)
    weights = np.empty((len(gram), len(penalties)))
    for index, penalty in enumerate(penalties):
        # One Cholesky factor costs a fourteenth of the eigendecomposition that would serve all penalties.
        lifted = gram.copy()
        lifted.flat[:: len(gram) + 1] += penalty * unit
        factor = scipy.linalg.cho_factor(lifted, lower=True, overwrite_a=True, check_finite=False)
        weights[:, index] = scipy.linalg.cho_solve(factor, cross, check_finite=False)
    return LinearModel(weights, total.target_sum / total.n_times - mean @ weights)


def _best(models: LinearModel, validation: Sequence[Recording], n_segment: int) -> int:
    """Index of the penalty with the highest validation r; the largest one where nothing can be scored."""
    predicted = [models.predict(recording) for recording in validation]
    true = [part.envelope for part in validation]
    r = np.array(
        [
            _scores([signal[:, [index]] for signal in predicted], true, [""] * len(true), n_segment).mean
            for index in range(models.weights.shape[1])
        ]
    )
    return len(r) - 1 if np.isnan(r).all() else int(np.nanargmax(r))


def _scores(
    predictions: Sequence[Signal], targets: Sequence[NDArray[Any]], owners: Sequence[str], n_segment: int
) -> Scores:
    r = [segment_pearson(p, t, n_segment) for p, t in zip(predictions, targets, strict=True)]
    return subject_means(r, owners)


def _refuse_too_short(corpus: Corpus) -> None:
    problems = [
        Problem(
            f"{part.subject}/{part.name}", None, "", f"{part.n_times} samples are fewer than {N_LAGS} lags"
        )
        for part in corpus.train + corpus.validation + corpus.test
        if part.n_times < N_LAGS
    ]
    if problems:
        raise DataError(problems)
