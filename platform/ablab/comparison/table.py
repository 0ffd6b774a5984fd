"""Scores of finished runs as a tidy table, and the paired differences between two of its cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablab.spec.record import SubjectScore

PER_SUBJECT = ("test/pearson", "validation/pearson", "test/pearson_unseen", "validation/pearson_unseen")
"""Metrics that every run holds per subject; ``_unseen``: of the subjects that were not trained on."""

EVERYONE = "(all)"
"""Stands for the subject where a metric has one value per run."""


class Scored(Protocol):
    """What a table asks of a finished run; a ``RunRecord`` is one."""

    @property
    def cell(self) -> str:
        """The arm that the run belongs to."""

    @property
    def seed(self) -> int:
        """Its replicate."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Last value of every metric."""

    @property
    def subjects(self) -> tuple[SubjectScore, ...]:
        """Scores per subject."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Differences between two cells over the subjects and seeds that both have."""

    differences: NDArray[np.float64]
    """(n_subjects, n_seeds), cell minus reference; either may be 0."""
    subjects: tuple[str, ...]
    seeds: tuple[int, ...]
    lost_subjects: tuple[str, ...]
    """Subjects without a score in both arms under each of ``seeds``."""


def tidy(records: Iterable[Scored], metric: str) -> pd.DataFrame:
    """One row per score: ``cell``, ``seed``, ``subject``, ``r``. Missing and undefined scores have no row.

    A metric that is not per subject has one row per run, its subject being ``EVERYONE``.
    """
    rows = [
        (record.cell, record.seed, subject, value)
        for record in records
        for subject, value in _scores(record, metric)
        if math.isfinite(value)
    ]
    return pd.DataFrame(rows, columns=["cell", "seed", "subject", "r"])


def matrices(scores: pd.DataFrame, cells: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Per cell its scores: subjects down, seeds across, NaN where there is none; empty for a cell without."""
    by_cell = scores.groupby("cell").indices
    subjects, seeds = scores["subject"].to_numpy(dtype=object), scores["seed"].to_numpy(dtype=np.int64)
    values = scores["r"].to_numpy(dtype=np.float64)
    nowhere = np.empty(0, dtype=np.intp)
    found = {}
    for cell in cells:  # by hand: DataFrame.pivot takes ten times as long, which thousands of cells feel
        rows = by_cell.get(cell, nowhere)
        down, row = np.unique(subjects[rows], return_inverse=True)
        across, column = np.unique(seeds[rows], return_inverse=True)
        matrix = np.full((len(down), len(across)), np.nan)
        matrix[row, column] = values[rows]
        found[cell] = pd.DataFrame(
            matrix, index=pd.Index(down, name="subject"), columns=pd.Index(across, name="seed")
        )
    return found


def seeds_of(matrix: pd.DataFrame) -> frozenset[int]:
    """Seeds under which a cell has a score."""
    return frozenset(int(seed) for seed in matrix.columns)


def complete(matrix: pd.DataFrame) -> NDArray[np.float64]:
    """The subjects that have a score under every seed: (n_subjects, n_seeds)."""
    return matrix.dropna(axis="index").to_numpy(dtype=np.float64)


def paired(ours: pd.DataFrame, theirs: pd.DataFrame) -> Paired:
    """Ours minus theirs, where both have the seed, for the subjects scored under all those seeds."""
    seeds = ours.columns.intersection(theirs.columns).sort_values()
    differences = ours[seeds] - theirs[seeds]  # rows are the union of both arms' subjects
    whole = differences.dropna(axis="index")
    return Paired(
        differences=whole.to_numpy(dtype=np.float64),
        subjects=tuple(str(subject) for subject in whole.index),
        seeds=tuple(int(seed) for seed in seeds),
        lost_subjects=tuple(str(subject) for subject in differences.index.difference(whole.index)),
    )


def _scores(record: Scored, metric: str) -> Sequence[tuple[str, float]]:
    if metric in PER_SUBJECT:
        values = ((score.subject, _score(score, metric)) for score in record.subjects)
        return [(subject, value) for subject, value in values if value is not None]
    value = record.metrics.get(metric)
    return [] if value is None else [(EVERYONE, value)]


def _score(score: SubjectScore, metric: str) -> float | None:
    if score.seen == metric.endswith("_unseen"):
        return None  # seen and unseen subjects are never put into one mean
    return score.test if metric.startswith("test/") else score.validation
