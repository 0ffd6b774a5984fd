"""The linear backward model on a corpus, fitted per subject, over all subjects, or over all others.

Whatever the scope, the penalty is chosen on validation, and the test part is scored once, with the segments
and means that decoders are scored with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ablab.baselines.lagged import Moments, Signal, total
from ablab.baselines.ridge import N_LAGS, PENALTIES, LinearModel, correlations, fit, moments_of, solve
from ablab.data.corpus import Corpus, Recording, samples
from ablab.errors import DataError, Problem
from ablab.scoring.aggregate import Scores, subject_means
from ablab.scoring.chance import circular_shift_null
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import Evaluation
from ablab.spec.record import SubjectScore

VERSION = 2
"""Raised whenever the same data give other numbers; stored results carry it."""

Scope = Literal["per_subject", "pooled", "leave_one_subject_out"]
"""per_subject: a model of each subject's own. pooled: one model of all subjects. leave_one_subject_out: each
subject is decoded by a model of all the others, on whose validation parts its penalty is chosen too."""

_CHANCE_SEED = 0
"""The null is part of the result, so its draws are fixed."""


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """How well the linear model does on a corpus."""

    scope: Scope
    test_pearson: float
    """Mean over subjects of the mean over recordings of r per segment."""
    per_subject: Mapping[str, float]
    lambdas: Mapping[str, float]
    """Chosen penalty per subject, from `ridge.PENALTIES`; the same for all where one model serves all."""
    chance_p95: float
    """95th percentile of the mean over subjects under circular shifts of the true envelope."""
    chance_p: float
    """Share of that null at least as high as ``test_pearson``, which counts as one of it."""
    subjects: tuple[SubjectScore, ...]
    """The table that every run has."""


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The model that decodes one subject."""

    subject: str
    model: LinearModel
    penalty: float


def run(
    corpus: Corpus,
    evaluation: Evaluation,
    said: Callable[[str, float], None] = lambda subject, r: None,
    scope: Scope = "per_subject",
) -> BaselineResult:
    """Fit, choose and score; ``said`` hears each subject's test r as it is known.

    On one thread: beside trials that train, threads of BLAS wait for one another many times as long as they
    save, and the last bits do not depend on the number of cores.

    Raises DataError where a recording is shorter than the lags, or nobody is left to learn from.
    """
    _refuse(corpus, scope)
    with threadpool_limits(1, user_api="blas"):
        return _run(corpus, evaluation, said, scope)


def _run(
    corpus: Corpus, evaluation: Evaluation, said: Callable[[str, float], None], scope: Scope
) -> BaselineResult:
    n_segment = samples(evaluation.segment_seconds)
    lambdas: dict[str, float] = {}
    validation: dict[str, float] = {}
    predictions: list[Signal] = []
    targets: list[Signal] = []
    owners: list[str] = []
    for chosen in _FITS[scope](corpus, n_segment):
        subject = chosen.subject
        lambdas[subject] = chosen.penalty
        validation[subject] = _score(chosen.model, _of(corpus.validation, subject), n_segment)
        test = _of(corpus.test, subject)
        mine = [chosen.model.predict(recording) for recording in test]
        true = [np.asarray(recording.envelope, dtype=np.float64) for recording in test]
        said(subject, _scores(mine, true, [subject] * len(test), n_segment).mean)
        predictions += mine
        targets += true
        owners += [subject] * len(test)
    scores = _scores(predictions, targets, owners, n_segment)
    rng = np.random.default_rng(_CHANCE_SEED)
    null = circular_shift_null(predictions, targets, owners, n_segment, n_window=n_segment, rng=rng)
    table = tuple(
        SubjectScore(
            subject=subject,
            n_recordings=mean.n_recordings,
            n_segments=mean.n_segments,
            validation=_defined(validation[subject]),
            test=mean.r,
            chance_mean=null.subject_mean[subject],
            chance_p95=null.subject_p95[subject],
            seen=scope != "leave_one_subject_out",
            chance_p=_defined(null.subject_p[subject]),
        )
        for subject, mean in scores.subjects.items()
    )
    per_subject = {subject: mean.r for subject, mean in scores.subjects.items()}
    return BaselineResult(scope, scores.mean, per_subject, lambdas, null.group_p95, null.group_p, table)


def _per_subject(corpus: Corpus, n_segment: int) -> Iterator[_Chosen]:
    for subject in corpus.subjects:
        models = fit(_of(corpus.train, subject), PENALTIES)
        validation = _of(corpus.validation, subject)
        predicted = [models.predict(recording) for recording in validation]
        true = [part.envelope for part in validation]
        r = [
            _scores([signal[:, [index]] for signal in predicted], true, [""] * len(true), n_segment).mean
            for index in range(len(PENALTIES))
        ]
        yield _choose(subject, models, np.array(r))


def _pooled(corpus: Corpus, n_segment: int) -> Iterator[_Chosen]:
    models = solve(moments_of(corpus.train), PENALTIES)
    r = correlations(models, moments_of(corpus.validation))
    for subject in corpus.subjects:
        yield _choose(subject, models, r)


def _leave_one_subject_out(corpus: Corpus, n_segment: int) -> Iterator[_Chosen]:
    train = {subject: moments_of(_of(corpus.train, subject)) for subject in corpus.subjects}
    validation = {subject: moments_of(_of(corpus.validation, subject)) for subject in corpus.subjects}
    for subject in corpus.subjects:
        models = solve(_others(train, subject), PENALTIES)
        yield _choose(subject, models, correlations(models, _others(validation, subject)))


_FITS: Mapping[Scope, Callable[[Corpus, int], Iterator[_Chosen]]] = {
    "per_subject": _per_subject,
    "pooled": _pooled,
    "leave_one_subject_out": _leave_one_subject_out,
}


def _others(by_subject: Mapping[str, Moments], subject: str) -> Moments:
    # Summed anew for each subject: taking one away from the whole would cancel digits.
    return total([part for name, part in by_subject.items() if name != subject])


def _choose(subject: str, models: LinearModel, r: Signal) -> _Chosen:
    """The model with the highest validation r; the strongest penalty where nothing can be scored."""
    best = len(r) - 1 if np.isnan(r).all() else int(np.nanargmax(r))
    return _Chosen(subject, models.only(best), PENALTIES[best])


def _of(recordings: Sequence[Recording], subject: str) -> list[Recording]:
    return [recording for recording in recordings if recording.subject == subject]


def _score(model: LinearModel, recordings: Sequence[Recording], n_segment: int) -> float:
    predicted = [model.predict(recording) for recording in recordings]
    true = [part.envelope for part in recordings]
    return _scores(predicted, true, [""] * len(true), n_segment).mean


def _scores(
    predictions: Sequence[Signal], targets: Sequence[NDArray[Any]], owners: Sequence[str], n_segment: int
) -> Scores:
    r = [segment_pearson(p, t, n_segment) for p, t in zip(predictions, targets, strict=True)]
    return subject_means(r, owners)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _refuse(corpus: Corpus, scope: Scope) -> None:
    problems = [
        Problem(
            f"{part.subject}/{part.name}", None, "", f"{part.n_times} samples are fewer than {N_LAGS} lags"
        )
        for part in corpus.train + corpus.validation + corpus.test
        if part.n_times < N_LAGS
    ]
    if scope == "leave_one_subject_out" and len(corpus.subjects) < 2:
        reason = f"{scope} needs at least two subjects with training data"
        problems.append(Problem("dataset", None, "", reason))
    if problems:
        raise DataError(problems)
