"""What the runs of a study say of a claim's quantity: an estimate with its interval, or why there is none.

Scores per subject are tested by the crossed quasi-t; quantities with one value per run by a t-test over
seeds, ratios on the log scale, where twice and half are equally far from no effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.claims_arms import cell_of
from ablab.comparison.claims_values import Measured
from ablab.comparison.convergence import convergence
from ablab.comparison.figures import plural
from ablab.comparison.mean_test import mean_test
from ablab.comparison.table import PER_SUBJECT, complete, matrices, paired, tidy
from ablab.comparison.values import MeanTest, ModelScope
from ablab.spec.claims import Claim, Course, Difference, EpochsToConverge, Ledger, Metric, Ratio, arms_of
from ablab.spec.record import RunRecord

FEWEST_SEEDS = 3
"""Below so many seeds nothing is tested: an interval of two runs spans everything."""

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""Metric -> (step, value) of one run."""


@dataclass(frozen=True, slots=True)
class StudyEvidence:
    """A study as claims are held against it."""

    study: str
    finished: tuple[RunRecord, ...]
    """Finished seed runs that may be compared with one another."""
    curves: Callable[[str], Curves]
    """Run id -> its curves; asked only for runs whose course a claim is about."""
    scope: ModelScope = "pooled"
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether any run was trained on made-up recordings."""
        return any(record.experiment.dataset.kind == "simulated" for record in self.finished)

    def measure(self, claim: Claim, ledger: Ledger, alpha: float) -> Measured | str:
        """The claim's quantity in this study, or as text why it is not testable."""
        quantity = claim.quantity
        cells: dict[str, str] = {}
        for name in arms_of(quantity):
            found = cell_of(name, ledger.arms[name], self.finished)
            if isinstance(found, str):
                return found
            (cells[name],) = found
        match quantity:
            case Metric(metric=metric, arm=arm):
                return self._metric(metric, cells[arm], alpha)
            case Difference(metric=metric, treatment=ours, reference=theirs):
                equivalence = claim.test == "equivalence"
                return self._difference(metric, cells[ours], cells[theirs], alpha, equivalence)
            case Ratio(metric=metric, treatment=ours, reference=theirs):
                return self._ratio(metric, cells[ours], cells[theirs], alpha)
            case Course(arm=arm):
                return self._course(quantity, cells[arm], alpha)
            case EpochsToConverge(treatment=ours, reference=theirs):
                return self._epochs(cells[ours], cells[theirs], alpha)
        raise AssertionError(f"{quantity.kind} needs no run")

    def _metric(self, metric: str, cell: str, alpha: float) -> Measured | str:
        matrix = matrices(tidy(self.finished, metric), (cell,))[cell]
        if matrix.empty:
            return f"no run of {cell} has the metric {metric}"
        values = complete(matrix)
        return _measured(mean_test(values, alpha, self._scope(metric)), values, metric, None)

    def _difference(
        self, metric: str, treatment: str, reference: str, alpha: float, equivalence: bool
    ) -> Measured | str:
        scores = matrices(tidy(self.finished, metric), (treatment, reference))
        for cell, matrix in scores.items():
            if matrix.empty:
                return f"no run of {cell} has the metric {metric}"
        values = paired(scores[treatment], scores[reference]).differences
        test = mean_test(values, alpha, self._scope(metric))
        return _measured(test, values, metric, 0.0, equivalence=equivalence)

    def _ratio(self, metric: str, treatment: str, reference: str, alpha: float) -> Measured | str:
        ours, theirs = (self._by_seed(metric, cell) for cell in (treatment, reference))
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            return f"no seed has {metric} in both {treatment} and {reference}"
        if not all(ours[seed] > 0 and theirs[seed] > 0 for seed in seeds):
            return f"{metric} is not above zero in every run, so that a ratio is not defined"
        logs = np.array([[math.log(ours[seed] / theirs[seed]) for seed in seeds]])
        found = _measured(mean_test(logs, alpha, "pooled"), logs, metric, 0.0)
        if isinstance(found, str):
            return found
        return Measured(
            math.exp(found.estimate),
            math.exp(found.low),
            math.exp(found.high),
            f"{found.statistic}, log scale",
            found.n_seeds,
            no_effect=1.0,
        )

    def _course(self, quantity: Course, cell: str, alpha: float) -> Measured | str:
        runs = [record for record in self.finished if record.cell == cell]
        courses = [[value for _, value in self.curves(run.run_id).get(quantity.metric, ())] for run in runs]
        if not all(courses):
            return f"not every run of {cell} has a course of {quantity.metric}"
        extreme = min if quantity.extreme == "lowest" else max
        values = np.array([[extreme(course) for course in courses]])
        return _measured(mean_test(values, alpha, "pooled"), values, quantity.metric, None)

    def _epochs(self, treatment: str, reference: str, alpha: float) -> Measured | str:
        runs = [record for record in self.finished if record.cell in (treatment, reference)]
        curves = {record.run_id: self.curves(record.run_id) for record in runs}
        found = convergence(runs, curves, treatment=treatment, reference=reference, alpha=alpha)
        if isinstance(found, str):
            return found
        return _tested(found.difference, len(found.seeds), None, 0.0, prefix="restricted mean epochs, ")

    def _scope(self, metric: str) -> ModelScope:
        """A metric with one value per run has seeds alone, however the models were trained."""
        return self.scope if metric in PER_SUBJECT else "pooled"

    def _by_seed(self, metric: str, cell: str) -> dict[int, float]:
        return {
            record.seed: record.metrics[metric]
            for record in self.finished
            if record.cell == cell and metric in record.metrics
        }


def _measured(
    test: MeanTest,
    values: NDArray[np.float64],
    metric: str,
    no_effect: float | None,
    *,
    equivalence: bool = False,
) -> Measured | str:
    """A test of ``values``: (n_subjects, n_seeds) as the measure of a claim."""
    n_subjects, n_seeds = values.shape
    subjects = n_subjects if metric in PER_SUBJECT and values.shape[0] > 1 else None
    return _tested(test, n_seeds, subjects, no_effect, equivalence=equivalence)


def _tested(
    test: MeanTest,
    n_seeds: int,
    n_subjects: int | None,
    no_effect: float | None,
    *,
    equivalence: bool = False,
    prefix: str = "",
) -> Measured | str:
    low, high = (test.equivalence_low, test.equivalence_high) if equivalence else (test.ci_low, test.ci_high)
    if n_seeds < FEWEST_SEEDS:
        return f"{plural(n_seeds, 'seed')} at hand, and a claim needs {FEWEST_SEEDS}"
    if test.mean is None or test.name is None or low is None or high is None:
        return f"no test is possible: {test.refused}"
    return Measured(test.mean, low, high, f"{prefix}{test.name}", n_seeds, n_subjects, no_effect)
