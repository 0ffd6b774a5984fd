"""r per segment -> mean per recording -> mean per subject -> mean over subjects. In that order, always.

Each step weighs its parts equally, so a subject with many recordings, or a long recording, does not
count more than another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SubjectMean:
    """One subject's mean r over its recordings, and what it stands on."""

    r: float
    """NaN where every segment had a constant target."""
    n_recordings: int
    """Recordings that entered the mean."""
    n_segments: int
    """Segments that entered the mean."""
    seen: bool = True
    """Whether the decoder was trained on this subject."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a set of recordings."""

    mean: float
    """Over the subjects that were trained on; NaN where nothing of them could be scored."""
    subjects: Mapping[str, SubjectMean]
    """In order of first appearance, unseen ones too."""
    n_left_out: int
    """Segments without a score, because their target was constant."""

    @property
    def unseen(self) -> frozenset[str]:
        """Subjects that were not trained on."""
        return frozenset(subject for subject, entry in self.subjects.items() if not entry.seen)

    @property
    def mean_unseen(self) -> float:
        """Mean over the subjects that were not trained on; NaN where there is none."""
        return _mean_over(entry.r for entry in self.subjects.values() if not entry.seen)


def subject_means(
    segment_r: Sequence[NDArray[np.float64]], subjects: Sequence[str], unseen: Collection[str] = ()
) -> Scores:
    """Aggregate the segments' r of several recordings.

    segment_r: per recording, ``(n_segments,)`` as `segments.segment_pearson` returns it.
    subjects: per recording, whose it is. unseen: subjects that the decoder was not trained on; their score
    says something else and never enters the mean of the others.

    >>> scores = subject_means([np.array([0.1, 0.3]), np.array([0.4]), np.array([0.0])], ["a", "a", "b"])
    >>> round(scores.subjects["a"].r, 3), round(scores.mean, 3)
    (0.3, 0.15)
    """
    if len(segment_r) != len(subjects):
        raise ValueError(f"{len(segment_r)} recordings but {len(subjects)} subjects; give one for each")
    recording_r = np.array([float(mean_of_scored(r)) for r in segment_r], dtype=np.float64)
    scored = [int(np.count_nonzero(~np.isnan(r))) for r in segment_r]
    table = {}
    for subject, members in by_subject(subjects).items():
        table[subject] = SubjectMean(
            r=float(mean_of_scored(recording_r[members])),
            n_recordings=int(np.count_nonzero(~np.isnan(recording_r[members]))),
            n_segments=sum(scored[member] for member in members),
            seen=subject not in unseen,
        )
    return Scores(
        mean=_mean_over(entry.r for entry in table.values() if entry.seen),
        subjects=table,
        n_left_out=sum(len(r) for r in segment_r) - sum(scored),
    )


def by_subject(subjects: Sequence[str]) -> dict[str, list[int]]:
    """Subject -> indices of its recordings, subjects in order of first appearance."""
    members: dict[str, list[int]] = {}
    for index, subject in enumerate(subjects):
        members.setdefault(subject, []).append(index)
    return members


def _mean_over(values: Iterable[float]) -> float:
    return float(mean_of_scored(np.array(list(values), dtype=np.float64)))


def mean_of_scored(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Mean along ``axis`` of the values that are not NaN; NaN where there is none.

    >>> mean_of_scored(np.array([[0.2, np.nan], [np.nan, np.nan]]))
    array([0.2, nan])
    """
    present = ~np.isnan(values)
    count = present.sum(axis=axis)
    total = np.where(present, values, 0.0).sum(axis=axis)
    return np.asarray(total / np.where(count == 0, np.nan, count), dtype=np.float64)
