"""The regression task of the auditory EEG challenge (ICASSP 2023): 60 s segments, two groups of subjects.

r per segment -> mean over a subject's segments -> mean over subjects, for the subjects of the training set
and for those held out; the score is 2/3 of the first plus 1/3 of the second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablab.scoring.aggregate import by_subject, mean_of_scored
from ablab.scoring.pearson import Signal
from ablab.scoring.segments import segment_pearson

SEGMENT_SECONDS = 60.0
"""Length of the challenge's segments."""
WITHIN_SHARE = 2 / 3
"""Weight of the subjects that were trained on; the held-out ones have the rest."""


@dataclass(frozen=True, slots=True)
class ChallengeScore:
    """The task's score and its parts; None where a part has no segment."""

    score: float | None
    """2/3 within + 1/3 held out; None without both parts: half a score would be read as a whole one."""
    within: float | None
    """Mean over the subjects that were trained on."""
    held_out: float | None
    """Mean over the subjects that were not."""
    subjects: Mapping[str, float]
    """Mean r per subject that has a segment."""
    n_segments: Mapping[str, int]
    """Scored segments of each of them."""
    n_too_short: int
    """Recordings without a whole segment, which are left out."""


def challenge_score(
    predictions: Sequence[Signal],
    targets: Sequence[Signal],
    subjects: Sequence[str],
    n_segment: int,
    unseen: Collection[str] = (),
) -> ChallengeScore:
    """Score recordings as the challenge does.

    predictions, targets: per recording ``(n_times,)`` or ``(n_times, 1)``. n_segment: samples of a segment.
    unseen: subjects that were not trained on.

    Unlike the score of `aggregate.subject_means`, a subject's mean is over its segments, whichever recording
    they are from, and a recording that fills no segment is left out. Segments with a constant target have no
    r; a constant prediction counts as 0.

    >>> one, other = np.arange(8.0), np.array([0.0, 1, 2, 3, 3, 2, 1, 0])
    >>> challenge_score([one, one], [one, other], ["a", "b"], n_segment=4, unseen={"b"}).score
    0.6666666666666666
    """
    r = [
        segment_pearson(prediction, target, n_segment) if len(target) >= n_segment else np.empty(0)
        for prediction, target in zip(predictions, targets, strict=True)
    ]
    means: dict[str, float] = {}
    counts: dict[str, int] = {}
    for subject, members in by_subject(subjects).items():
        mine = np.concatenate([r[member] for member in members])
        if n_scored := int(np.count_nonzero(~np.isnan(mine))):
            means[subject], counts[subject] = float(mean_of_scored(mine)), n_scored
    within = _mean([value for subject, value in means.items() if subject not in unseen])
    held_out = _mean([value for subject, value in means.items() if subject in unseen])
    whole = None
    if within is not None and held_out is not None:
        whole = WITHIN_SHARE * within + (1 - WITHIN_SHARE) * held_out
    return ChallengeScore(
        score=whole,
        within=within,
        held_out=held_out,
        subjects=means,
        n_segments=counts,
        n_too_short=sum(len(target) < n_segment for target in targets),
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
