"""What a search has found, as values: its points, what mattered, and how the winner fared on fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from ablab.comparison.values import Comparison
from ablab.spec.experiment import Level
from ablab.spec.record import RunRecord

PointState = Literal["complete", "pruned", "failed", "open"]
"""open: waiting, or in training."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the space, with all its seeds."""

    number: int
    """In the order in which points were drawn."""
    levels: Mapping[str, Level]
    state: PointState
    value: float | None
    """Mean of the objective over the seeds; of a pruned point, over what it got to."""
    seconds: float | None = None
    """Sum over its runs."""
    reason: str | None = None
    """Why it was pruned, or how it failed."""
    is_base: bool = False
    """Whether it is the base experiment itself."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The winner and the base under fresh seeds, on all subjects."""

    study: str
    objective: str
    searched: float
    """The winner's value in the search."""
    confirmed: float
    """Mean of the same metric over the fresh seeds, and over the subjects that the search looked at."""
    n_seeds: int
    base_searched: float | None
    """The base's value in the search; None where it was not among its points."""
    base_confirmed: float
    comparison: Comparison
    """Winner against base on the test recordings: the declared contrast."""

    @property
    def optimism(self) -> float:
        """Search value minus confirmed value: what the winner owes to having been chosen."""
        return self.searched - self.confirmed


@dataclass(frozen=True, slots=True)
class SearchReport:
    """A search as it stands."""

    study: str
    objective: str
    direction: Literal["maximize", "minimize"]
    n_seeds: int
    """Of every point."""
    planned: int
    """Points that the search is to try."""
    points: tuple[Point, ...]
    """By number."""
    importance: Mapping[str, float] | None
    """Key -> share by PED-ANOVA; None where there are too few complete points."""
    log_scaled: frozenset[str] = frozenset()
    """Keys that are drawn on a logarithmic scale."""
    confirmation: Confirmation | None = None

    @property
    def ranked(self) -> tuple[Point, ...]:
        """The complete points, the best first; of equal ones the earliest."""
        sign = -1.0 if self.direction == "maximize" else 1.0
        complete = [point for point in self.points if point.state == "complete" and point.value is not None]
        return tuple(sorted(complete, key=lambda point: (sign * (point.value or 0.0), point.number)))

    @property
    def winner(self) -> Point | None:
        """The best complete point."""
        return next(iter(self.ranked), None)


def confirmed_value(records: Sequence[RunRecord], objective: str, subjects: Sequence[str] | None) -> float:
    """Mean of the objective over runs; with ``subjects``, of validation r over these alone.

    A search on some subjects has a value for these; the confirmation trains on all, and has one for each.
    """
    if subjects is None or objective != "validation/pearson":
        return fmean(record.metrics[objective] for record in records)
    return fmean(
        fmean(
            score.validation
            for score in record.subjects
            if score.subject in subjects and score.validation is not None
        )
        for record in records
    )
