"""Test predictions and their scores -> the per-subject table, with the chance level of each subject.

Subjects that were trained on make the trial's scores; unseen ones have scores and a chance level apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablab.data.corpus import Recording
from ablab.scoring.aggregate import Scores
from ablab.scoring.chance import ChanceNull, circular_shift_null
from ablab.spec.record import SubjectScore
from ablab.training.evaluate import Evaluation, Setting


@dataclass(frozen=True, slots=True)
class SubjectTable:
    """What the scores of a trial are."""

    subjects: tuple[SubjectScore, ...]
    metrics: Mapping[str, float]
    """Means over subjects, those of unseen ones under names that end in ``_unseen``; NaN without any."""


def subject_table(
    test: Evaluation,
    recordings: Sequence[Recording],
    validation: Scores,
    setting: Setting,
    rng: np.random.Generator,
) -> SubjectTable:
    """Tabulate the scores. recordings: the test recordings. rng: draws the shifts of the chance level."""
    members = {
        seen: [i for i, part in enumerate(recordings) if test.scores.subjects[part.subject].seen is seen]
        for seen in (True, False)
    }
    nulls = {seen: _null(test, recordings, numbers, setting, rng) for seen, numbers in members.items()}
    metrics = {
        "test/pearson": test.scores.mean,
        "test/chance_p95": nulls[True].group_p95,
        "test/chance_p": nulls[True].group_p,
        "test/pearson_unseen": test.scores.mean_unseen,
        "test/chance_p95_unseen": nulls[False].group_p95,
        "test/chance_p_unseen": nulls[False].group_p,
        "validation/pearson": validation.mean,
        "validation/pearson_unseen": validation.mean_unseen,
    }
    table = []
    for subject, score in test.scores.subjects.items():
        validated = validation.subjects.get(subject)
        table.append(
            SubjectScore(
                subject=subject,
                n_recordings=score.n_recordings,
                n_segments=score.n_segments,
                validation=None if validated is None or math.isnan(validated.r) else validated.r,
                test=score.r,
                chance_mean=nulls[score.seen].subject_mean[subject],
                chance_p95=nulls[score.seen].subject_p95[subject],
                seen=score.seen,
                chance_p=_defined(nulls[score.seen].subject_p[subject]),
            )
        )
    return SubjectTable(tuple(table), metrics)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _null(
    test: Evaluation,
    recordings: Sequence[Recording],
    members: Sequence[int],
    setting: Setting,
    rng: np.random.Generator,
) -> ChanceNull:
    return circular_shift_null(
        [test.predictions[member] for member in members],
        [recordings[member].envelope[:, 0] for member in members],
        [recordings[member].subject for member in members],
        setting.n_segment,
        n_window=setting.n_window,
        rng=rng,
    )
