"""Per subject: both arms of the declared contrast, their difference, and chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablab.comparison.factorial.cube import Cube
from ablab.spec.record import RunRecord


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """One subject, its scores averaged over the seeds that both arms have."""

    subject: str
    reference: float
    treatment: float
    difference: float
    """Treatment minus reference."""
    difference_by_seed: tuple[float, ...]
    chance_mean: float | None
    """Mean of the circular-shift null of the treatment's runs; None for metrics without one."""
    chance_p95: float | None
    """95th percentile of that null, the largest over those runs."""
    above_chance: float | None
    """Treatment minus chance_mean."""


def subject_rows(
    cube: Cube, runs: Mapping[str, Sequence[RunRecord]], *, treatment: str, reference: str, with_chance: bool
) -> tuple[SubjectRow, ...]:
    """A row per subject that both arms have under all common seeds, by falling difference.

    runs: cell id -> its finished runs. with_chance: the metric is the one that the nulls belong to.
    """
    difference = cube.combine({treatment: 1.0, reference: -1.0})
    columns = [cube.seeds.index(seed) for seed in difference.seeds]
    rows = [cube.subjects.index(subject) for subject in difference.subjects]
    ours, theirs = (cube.scores[cube.cells[cell]][np.ix_(rows, columns)] for cell in (treatment, reference))
    nulls = _nulls(runs[treatment], frozenset(difference.seeds)) if with_chance else {}
    found = []
    for index, subject in enumerate(difference.subjects):
        mean, p95 = nulls.get(subject, (None, None))
        score = float(ours[index].mean())
        found.append(
            SubjectRow(
                subject=subject,
                reference=float(theirs[index].mean()),
                treatment=score,
                difference=float(difference.values[index].mean()),
                difference_by_seed=tuple(difference.values[index].tolist()),
                chance_mean=mean,
                chance_p95=p95,
                above_chance=None if mean is None else score - mean,
            )
        )
    return tuple(sorted(found, key=lambda row: -row.difference))


def _nulls(runs: Sequence[RunRecord], seeds: frozenset[int]) -> dict[str, tuple[float, float]]:
    """Subject -> mean of its null over the runs, and the largest of its 95th percentiles."""
    means: dict[str, list[float]] = {}
    limits: dict[str, list[float]] = {}
    for run in runs:
        if run.seed in seeds:
            for score in run.subjects:
                means.setdefault(score.subject, []).append(score.chance_mean)
                limits.setdefault(score.subject, []).append(score.chance_p95)
    return {subject: (float(np.mean(of)), float(np.max(limits[subject]))) for subject, of in means.items()}
