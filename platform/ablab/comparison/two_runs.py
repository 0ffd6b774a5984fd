"""Two runs, subject by subject: what a pair of trained networks can say, and what it cannot.

One training each. How much trainings of the same method differ is not in the data, so nothing here is about
a method: the crossed quasi-t is refused, and the paired t-test over subjects speaks of these two networks
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ablab.comparison.effects import wilson_interval
from ablab.comparison.mean_test import mean_test
from ablab.comparison.table import PER_SUBJECT, matrices, tidy
from ablab.comparison.values import MeanTest
from ablab.comparison.verdicts import ONE_SEED
from ablab.errors import InputError, MixedRecordsError
from ablab.spec.experiment import Level
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.record import RunRecord


@dataclass(frozen=True, slots=True)
class PairOfScores:
    """One subject in both runs."""

    subject: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """The second run against the first."""

    first: RunRecord
    second: RunRecord
    metric: str
    alpha: float
    subjects: tuple[PairOfScores, ...]
    """Those scored in both, by falling difference."""
    over_subjects: MeanTest
    """Second minus first; of these two networks on other subjects, never of their methods."""
    higher: int
    higher_low: float | None
    """Wilson interval of the share of subjects in which the second is higher; None with one subject."""
    higher_high: float | None
    differing: tuple[tuple[str, Level, Level], ...]
    """(key, first's, second's) of every key in which the two specs differ."""
    refused: str
    """The statistic that is not given, and why."""


def compare_runs(
    first: RunRecord, second: RunRecord, *, metric: str = "test/pearson", alpha: float = 0.05
) -> TwoRuns:
    """Compare two finished runs over the subjects that both have.

    Raises InputError where it is one run, one is not finished, the metric has no value per subject or no
    subject is in both; MixedRecordsError where they were trained on different data, or scored on segments of
    another length.
    """
    if first.run_id == second.run_id:
        raise InputError(f"{first.key[:8]}: is one run; name two")
    for run in (first, second):
        if run.status != "finished":
            raise InputError(f"{run.key[:8]}: is {run.status}; only finished runs have scores to compare")
    if metric not in PER_SUBJECT:
        raise InputError(
            f"--metric {metric}: has no value per subject, so two runs say nothing of it beyond two numbers "
            f"(there are: {', '.join(PER_SUBJECT)})"
        )
    if first.data_fingerprint != second.data_fingerprint:
        raise MixedRecordsError(
            f"{first.key[:8]} and {second.key[:8]} were trained on different data "
            f"({first.data_fingerprint[:8]}, {second.data_fingerprint[:8]}); their scores are not comparable"
        )
    lengths = [run.experiment.evaluation.segment_seconds for run in (first, second)]
    if lengths[0] != lengths[1]:
        raise MixedRecordsError(
            f"{first.key[:8]} and {second.key[:8]} were scored on segments of {lengths[0]:g} s and "
            f"{lengths[1]:g} s; r over short segments is another measure than over long"
        )
    scores = [
        matrices(tidy([run], metric), [run.cell])[run.cell].iloc[:, :1].mean(axis="columns")
        for run in (first, second)
    ]
    common = scores[0].index.intersection(scores[1].index)
    if common.empty:
        raise InputError(f"{first.key[:8]} and {second.key[:8]} have no subject with {metric} in common")
    pairs = [PairOfScores(str(name), float(scores[0][name]), float(scores[1][name])) for name in common]
    differences = np.array([pair.second - pair.first for pair in pairs])
    higher, n = int((differences > 0).sum()), len(pairs)
    low, high = wilson_interval(higher, n, alpha) if n > 1 else (None, None)
    return TwoRuns(
        first=first,
        second=second,
        metric=metric,
        alpha=alpha,
        subjects=tuple(sorted(pairs, key=lambda pair: pair.first - pair.second)),
        over_subjects=mean_test(differences[:, np.newaxis], alpha, "per_subject"),
        higher=higher,
        higher_low=low,
        higher_high=high,
        differing=_differing(first, second),
        refused=f"crossed quasi-t: {ONE_SEED}",
    )


def _differing(first: RunRecord, second: RunRecord) -> tuple[tuple[str, Level, Level], ...]:
    ours, theirs = flatten(first.experiment), flatten(second.experiment)
    keys = [key for key in dict.fromkeys((*ours, *theirs)) if key not in NOT_IDENTITY]
    return tuple((key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key))
