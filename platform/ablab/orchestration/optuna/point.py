"""One point of a search while it is trained: its trials, what they told, and the pruner's steps from that.

Knows no Optuna. The steps are in the order of the seeds: step ``s * n + j + 1`` is evaluation ``j`` of seed
``s``, and its value the mean over the seeds up to ``s``: those before with their final value, ``s`` with its
value at that evaluation. At one step all points are compared under the same seeds, however many are trained
at once, and the last step's value is the point's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ablab.spec.experiment import Level, Training
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial

_BEST_SO_FAR = "validation/pearson"
"""A run is scored at its best checkpoint; of other metrics the last value counts."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a finished run says."""

    value: float
    """Of the objective; NaN where the run has none."""
    subjects: tuple[SubjectScore, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class RunningPoint:
    """One point; ``trials`` has one trial for each seed, in the order of the seeds."""

    number: int
    levels: Mapping[str, Level]
    trials: tuple[Trial, ...]
    objective: str
    ended: dict[str, Ended] = field(default_factory=dict)
    """Key -> how the trial finished."""
    failed: str | None = None
    """Why it will have no value."""
    _curves: dict[str, dict[int, float]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Whether every seed has finished."""
        return len(self.ended) == len(self.trials)

    @property
    def value(self) -> float:
        """Mean of the objective over the seeds that have finished."""
        return fmean(end.value for end in self.ended.values()) if self.ended else math.nan

    @property
    def seconds(self) -> float:
        """Sum over the finished runs."""
        return math.fsum(end.seconds for end in self.ended.values())

    def advance(self, key: str, epoch: int, values: Mapping[str, float]) -> None:
        """Take the latest metrics of a trial, where its validation was looked at in this epoch."""
        training = next(trial for trial in self.trials if trial.key == key).cell.experiment.training
        value = values.get(self.objective)
        if value is None or epoch not in evaluations(training):
            return
        curve = self._curves.setdefault(key, {})
        best = max(curve.values(), default=value)
        curve[epoch] = max(best, value) if self.objective == _BEST_SO_FAR else value

    def last_value(self, key: str) -> float:
        """The objective at the trial's last evaluation; NaN where it told of none."""
        curve = self._curves.get(key)
        return curve[max(curve)] if curve else math.nan

    def steps(self) -> Iterator[tuple[int, float]]:
        """Steps that have become known, each once, with their value."""
        before: list[float] = []
        for position, trial in enumerate(self.trials):
            epochs = evaluations(trial.cell.experiment.training)
            curve = dict(self._curves.get(trial.key, {}))
            end = self.ended.get(trial.key)
            if end is not None:
                curve[epochs[-1]] = end.value
            for order, epoch in enumerate(epochs):
                step = position * len(epochs) + order + 1
                if epoch in curve and step not in self._told:
                    self._told.add(step)
                    yield step, fmean([*before, curve[epoch]])
            if end is None:
                return
            before.append(end.value)

    def instances(self) -> Iterator[tuple[int, float]]:
        """(Seed, subject) pairs that have become known, each once, with the subject's validation r."""
        for position, trial in enumerate(self.trials):
            end = self.ended.get(trial.key)
            scores = end.subjects if end is not None else ()
            known = sorted(
                (score.subject, score.validation) for score in scores if score.validation is not None
            )
            for order, (_, r) in enumerate(known):
                step = position * len(known) + order
                if step not in self._told:
                    self._told.add(step)
                    yield step, r


def evaluations(training: Training) -> Sequence[int]:
    """Epochs (1-based) at which the validation recordings are looked at.

    >>> evaluations(Training(epochs=7, evaluate_every=3))
    [3, 6, 7]
    """
    epochs = range(1, training.epochs + 1)
    return [epoch for epoch in epochs if epoch % training.evaluate_every == 0 or epoch == training.epochs]
