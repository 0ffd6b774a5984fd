"""r per segment -> mean per recording -> mean per subject -> mean over subjects. In that order, always.

Each step weighs its parts equally, so a subject with many recordings, or a long recording, does not
count more than another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a set of recordings."""

    mean: float
    """Over subjects; NaN where nothing could be scored."""
    subjects: Mapping[str, SubjectMean]
    """In order of first appearance."""
    n_left_out: int
    """Segments without a score, because their target was constant."""


def subject_means(segment_r: Sequence[NDArray[np.float64]], subjects: Sequence[str]) -> Scores:
    """Aggregate the segments' r of several recordings.

    segment_r: per recording, ``(n_segments,)`` as `segments.segment_pearson` returns it.
    subjects: per recording, whose it is.

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
        )
    overall = mean_of_scored(np.array([entry.r for entry in table.values()], dtype=np.float64))
    return Scores(
        mean=float(overall), subjects=table, n_left_out=sum(len(r) for r in segment_r) - sum(scored)
    )


def by_subject(subjects: Sequence[str]) -> dict[str, list[int]]:
    """Subject -> indices of its recordings, subjects in order of first appearance."""
    members: dict[str, list[int]] = {}
    for index, subject in enumerate(subjects):
        members.setdefault(subject, []).append(index)
    return members


def mean_of_scored(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Mean along ``axis`` of the values that are not NaN; NaN where there is none.

    >>> mean_of_scored(np.array([[0.2, np.nan], [np.nan, np.nan]]))
    array([0.2, nan])
    """
    present = ~np.isnan(values)
    count = present.sum(axis=axis)
    total = np.where(present, values, 0.0).sum(axis=axis)
    return np.asarray(total / np.where(count == 0, np.nan, count), dtype=np.float64)
