"""Which of two cells learns faster: epochs to a common validation r, censored at the last epoch.

The threshold is 95 % of the reference's best validation r (mean over its seeds of each run's best), the
same for all runs of both cells. A run's time is the first evaluated epoch at or above it; a run that never
gets there is censored at its last epoch, which is not the same as arriving there. The epoch of the best
checkpoint is no measure of speed: a run that goes on improving slowly has a late one.

Kaplan-Meier (1958, JASA 53, 457-481): share of runs still below the threshold after each epoch. Restricted
mean time: the area under that curve up to tau, the earliest last epoch of any run, up to which every run is
observed; so each run's restricted time min(time, tau) is known, and their differences are paired by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.mean_test import mean_test
from ablab.comparison.values import MeanTest
from ablab.spec.record import RunRecord

CURVE = "validation/pearson"

SHARE = 0.95
"""Of the reference's best validation r; near the end of learning, yet reached by most runs of most cells."""

COARSE = "every seed gives the same difference: epochs are evaluated too rarely for an interval"

Curves = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]
"""Run id -> metric -> (optimiser step, value) by rising step, as ``RunStore.curves`` gives them."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When one run got to the threshold."""

    cell: str
    seed: int
    epoch: float
    """First evaluated epoch at or above the threshold; of a censored run its last epoch."""
    reached: bool
    """False: censored, not there by its last epoch."""


@dataclass(frozen=True, slots=True)
class Survival:
    """Kaplan-Meier curve of one cell: share of runs not yet at the threshold."""

    cell: str
    epochs: tuple[float, ...]
    """Epochs at which a run arrived, rising."""
    below: tuple[float, ...]
    """Share still below right after each of those epochs; before the first it is 1."""
    n_runs: int
    n_reached: int
    restricted_mean: float
    """Area under the curve up to tau, in epochs."""


@dataclass(frozen=True, slots=True)
class Convergence:
    """The declared treatment against the reference; exploratory."""

    threshold: float
    """Validation r that counts as arrived."""
    tau: float
    """Epoch up to which times are compared."""
    arrivals: tuple[Arrival, ...]
    reference: Survival
    treatment: Survival
    difference: MeanTest
    """Restricted mean epochs, treatment minus reference, paired by seed; below zero is faster."""
    seeds: tuple[int, ...]


def convergence(
    runs: Sequence[RunRecord], curves: Curves, *, treatment: str, reference: str, alpha: float = 0.05
) -> Convergence | str:
    """Compare two cells; as text why that is not possible.

    runs: finished runs, of any cells. curves: of at least the runs of both cells.
    """
    arms = {cell: [run for run in runs if run.cell == cell] for cell in (reference, treatment)}
    epochs = {run.experiment.training.epochs for of_cell in arms.values() for run in of_cell}
    if len(epochs) > 1:
        shown = " and ".join(str(n) for n in sorted(epochs))
        return f"no convergence: the cells train for different numbers of epochs ({shown})"
    courses = {
        (run.cell, run.seed): course
        for of_cell in arms.values()
        for run in of_cell
        if (course := in_epochs(run, curves.get(run.run_id, {}).get(CURVE, ())))
    }
    bests = [max(r for _, r in course) for (cell, _), course in courses.items() if cell == reference]
    if not bests or not any(cell == treatment for cell, _ in courses):
        return "no convergence: no validation curve of both cells was recorded"
    best = float(np.mean(bests))
    if best <= 0:
        return "no convergence: the reference's best validation r is not above 0"
    threshold = SHARE * best
    arrivals = tuple(_arrival(*key, course, threshold) for key, course in sorted(courses.items()))
    tau = min(course[-1][0] for course in courses.values())
    restricted = {(each.cell, each.seed): min(each.epoch, tau) for each in arrivals}
    seeds = sorted(seed for cell, seed in restricted if cell == reference and (treatment, seed) in restricted)
    paired = np.array([[restricted[treatment, seed] - restricted[reference, seed] for seed in seeds]])
    return Convergence(
        threshold=threshold,
        tau=tau,
        arrivals=arrivals,
        reference=survival(reference, arrivals, tau),
        treatment=survival(treatment, arrivals, tau),
        difference=_tested(paired.reshape(1, len(seeds)), alpha),
        seeds=tuple(seeds),
    )


def _tested(differences: NDArray[np.float64], alpha: float) -> MeanTest:
    """Paired t over seeds; refused where all differences are equal, since times are counted in evaluations.

    An interval without width would claim a certainty that is only the grid of evaluated epochs.
    """
    if differences.size > 1 and np.ptp(differences) == 0:
        return MeanTest(mean=float(differences[0, 0]), refused=COARSE)
    return mean_test(differences, alpha, "pooled")


def in_epochs(run: RunRecord, curve: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """A validation curve by epoch: (epoch, r); its last point is the last epoch, always evaluated."""
    points = [(step, r) for step, r in curve if math.isfinite(r)]
    trained = run.metrics.get("epochs_trained", float(run.experiment.training.epochs))
    if not points or not points[-1][0]:
        return []
    return [(step * trained / points[-1][0], r) for step, r in points]


def survival(cell: str, arrivals: Sequence[Arrival], tau: float) -> Survival:
    """Kaplan-Meier estimate over the runs of one cell, and its restricted mean."""
    mine = [each for each in arrivals if each.cell == cell]
    times = np.array([each.epoch for each in mine])
    reached = np.array([each.reached for each in mine])
    epochs, below = kaplan_meier(times, reached)
    edges = np.concatenate([[0.0], epochs[epochs < tau], [tau]])
    heights = np.concatenate([[1.0], below[epochs < tau]])
    area = float((np.diff(edges) * heights).sum())
    return Survival(cell, tuple(epochs.tolist()), tuple(below.tolist()), len(mine), int(reached.sum()), area)


def kaplan_meier(
    times: NDArray[np.float64], reached: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Event times and the survival right after each; ``times`` and ``reached``: (n_runs,).

    >>> kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, False]))
    (array([1., 2.]), array([0.75, 0.5 ]))
    """
    events = np.unique(times[reached])
    at_risk = (times[None, :] >= events[:, None]).sum(axis=1)
    arrived = ((times == events[:, None]) & reached).sum(axis=1)
    return events, np.cumprod(1 - arrived / at_risk) if events.size else np.empty(0)


def _arrival(cell: str, seed: int, course: Sequence[tuple[float, float]], threshold: float) -> Arrival:
    epoch = next((epoch for epoch, r in course if r >= threshold), None)
    return Arrival(cell, seed, course[-1][0] if epoch is None else epoch, epoch is not None)
