"""What a quantity is: when it is computed, what has to be measured for it, and its formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ablab.diagnostics.layout import Layout


class Moment(Enum):
    """When a quantity is computed."""

    GRADIENT = auto()
    """In an observed step, after the backward pass, before clipping and the update."""
    UPDATE = auto()
    """In an observed step, after the update."""
    END = auto()
    """Once, after the last step."""


class Need(Enum):
    """What can be measured; one value per parameter tensor unless said otherwise."""

    GRADIENT_NORM = auto()
    """L2 norm of the gradient; 0 for a frozen parameter. At GRADIENT."""
    GRADIENT_PEAK = auto()
    """max(|min|, |max|) of the gradient. At GRADIENT."""
    GATE = auto()
    """Mean and standard deviation of the gate over batch and channels: two values. At GRADIENT."""
    BRANCHES = auto()
    """Mean square of the stack's and the input's branch as the residual adds them: two. At GRADIENT."""
    CLIPPED = auto()
    """Steps so far, and how many were clipped: two values; none without clipping. At GRADIENT and END."""
    WEIGHT_NORM = auto()
    """L2 norm of the weights as they were before the update. At UPDATE."""
    UPDATE_NORM = auto()
    """L2 norm of what the update changed. At UPDATE."""
    INITIAL_NORM = auto()
    """L2 norm of the weights as they were before the first step. At UPDATE and END."""
    DRIFT_NORM = auto()
    """L2 norm of all change since before the first step. At UPDATE and END."""
    INTERVAL_NORM = auto()
    """L2 norm of the change since the previous observed step (or the start). At UPDATE and END."""
    SPREAD = auto()
    """(max - min) / 2 of the weights. At UPDATE and END."""


Needs = Mapping[Moment, frozenset[Need]]
"""Moment at which a quantity is computed -> what has to be measured then."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What was measured at one moment."""

    moment: Moment
    step: int
    """The optimiser step, from 1."""
    layout: Layout
    values: Mapping[Need, NDArray[np.float64]]

    def norm(self, need: Need, tensors: NDArray[np.intp]) -> float:
        """L2 norm over several parameter tensors, from their own norms."""
        return math.sqrt(float(np.square(self.values[need][tensors]).sum()))


class Quantity(Protocol):
    """One quantity of a session; it may remember what it saw, in public attributes.

    Those are numbers, dicts of numbers, arrays or `RunningMeans`; `diagnostics.state` saves them.

    ``needs`` names the moments at which it is computed, and what it reads then. ``compute`` returns metrics
    by name, and may leave out or return as NaN what is not defined: the session drops whatever is not finite.
    """

    @property
    def needs(self) -> Needs:
        """Moment -> what has to be measured then; moments left out are not of interest."""
        ...

    def compute(self, readings: Readings) -> dict[str, float]:
        """Metrics of this moment."""
        ...


def quotient(numerator: float, denominator: float) -> float:
    """``numerator / denominator``, NaN where the denominator is zero.

    >>> quotient(1.0, 4.0), quotient(1.0, 0.0)
    (0.25, nan)
    """
    return numerator / denominator if denominator else math.nan
