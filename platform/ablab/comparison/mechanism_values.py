"""What a verdict on a mechanism is, as values: what changed, what a part contributes, and what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ablab.comparison.values import MeanTest

MechanismKind = Literal["REAL", "COSMETIC", "MOVED, NOT USED", "UNRESOLVED"]

STACK = "layer_stack"
"""All blocks together: the mean over them, and their joint contribution."""


@dataclass(frozen=True, slots=True)
class Change:
    """A quantity of one layer group, treatment against reference, paired by seed."""

    reference: float
    """Mean over the seeds that both have."""
    treatment: float
    low: float
    """Interval of the factor treatment / reference (geometric mean over seeds)."""
    high: float

    @property
    def factor(self) -> float:
        """Geometric mean over seeds of treatment over reference: the interval's middle, on the log scale.

        The ratio of the two means is another number, and can lie outside the interval.
        """
        return math.sqrt(self.low * self.high)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a part adds to r in one cell."""

    source: Literal["trained minus frozen stack", "trained minus no stack", "bypass drop"]
    metric: str
    """The r that it is measured in: test for trained controls, validation for the bypass."""
    test: MeanTest
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one layer group; None where it was not measured or may not be compared."""

    group: str
    n_seeds: int
    """Seeds under which both cells have a finished run."""
    ratio: Change | None = None
    """Gradient ratio to the head, mean over the observed steps; only at otherwise identical toggles."""
    update: Change | None = None
    """Update ratio, mean over the observed steps."""
    drift: Change | None = None
    drift_low: float | None = None
    """Lower limit of the treatment's own drift."""
    contribution: Contribution | None = None
    """Of the treatment."""
    reference_contribution: Contribution | None = None
    gain: MeanTest | None = None
    """Contribution in the treatment minus that in the reference."""


@dataclass(frozen=True, slots=True)
class MechanismVerdict:
    """The verdict on one layer group, with its evidence in one sentence."""

    evidence: Evidence
    kind: MechanismKind
    sentence: str


@dataclass(frozen=True, slots=True)
class MechanismReport:
    """Verdicts on every layer group of one cell against another."""

    study: str
    treatment: str
    reference: str
    n_seeds: int
    sesoi: float
    alpha: float
    simulated: bool
    verdicts: tuple[MechanismVerdict, ...]
    """The stack first, then the groups front to rear."""
    notes: tuple[str, ...] = ()
