"""What a ledger of claims is, as values: what was claimed, where, of which quantity, and what may decide it.

A claim says one thing of one quantity out of a closed vocabulary, so that evaluating it is arithmetic and
never opinion. ``spec.claims_file`` reads YAML into these values and locates what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ablab.spec.values import Count, Name, NonNegative, SpecModel

Text = Annotated[str, Field(min_length=1)]


class Arithmetic(SpecModel):
    """A value that follows from the source's own numbers; needs no run."""

    kind: Literal["arithmetic"] = "arithmetic"
    expression: Text
    """Numbers, names from ``numbers``, + - * / and brackets."""


class Parameters(SpecModel):
    """Trainable parameters, from the counts in ``parameters``; needs no run."""

    kind: Literal["parameters"] = "parameters"
    arm: Name
    minus: Name | None = None
    """Another arm whose count is taken away; null for the count itself."""
    relative: bool = False
    """Whether the difference is a share of the other arm's count."""

    @model_validator(mode="after")
    def _consistent(self) -> Parameters:
        if self.relative and self.minus is None:
            raise ValueError("relative: a share needs another arm; name it under 'minus'")
        return self


class Metric(SpecModel):
    """A run's final metric in one arm, mean over seeds (and subjects, where it has them)."""

    kind: Literal["metric"] = "metric"
    metric: Text
    arm: Name


class Difference(SpecModel):
    """A metric, treatment minus reference, paired by seed (and subject, where it has them)."""

    kind: Literal["difference"] = "difference"
    metric: Text
    treatment: Name
    reference: Name


class Ratio(SpecModel):
    """A run's final metric, treatment over reference, paired by seed; geometric mean over seeds."""

    kind: Literal["ratio"] = "ratio"
    metric: Text
    treatment: Name
    reference: Name


class Course(SpecModel):
    """The lowest or highest value that a metric took while an arm was trained, mean over seeds."""

    kind: Literal["course"] = "course"
    metric: Text
    arm: Name
    extreme: Literal["lowest", "highest"]


class EpochsToConverge(SpecModel):
    """Epochs until validation r reaches 95 % of the reference's best, treatment minus reference."""

    kind: Literal["epochs_to_converge"] = "epochs_to_converge"
    treatment: Name
    reference: Name


Quantity = Annotated[
    Arithmetic | Parameters | Metric | Difference | Ratio | Course | EpochsToConverge,
    Field(discriminator="kind"),
]


class Claimed(SpecModel):
    """The values that would bear a claim out: an interval, or a value and how far it was rounded."""

    above: float | None = None
    below: float | None = None
    value: float | None = None
    tolerance: NonNegative = 0.0
    """On either side of ``value``; half a unit of the last digit that the source states."""

    @model_validator(mode="after")
    def _consistent(self) -> Claimed:
        if self.value is not None and (self.above is not None or self.below is not None):
            raise ValueError("value: give either a value or an interval (above, below), not both")
        if self.value is None and self.above is None and self.below is None:
            raise ValueError("says nothing; give 'above', 'below' or 'value'")
        if self.value is None and self.tolerance:
            raise ValueError("tolerance: belongs to 'value'")
        if self.low > self.high:
            raise ValueError("below: must be larger than 'above'")
        return self

    @property
    def low(self) -> float:
        """Lower end of the claim; minus infinity where it has none."""
        if self.value is not None:
            return self.value - self.tolerance
        return -math.inf if self.above is None else self.above

    @property
    def high(self) -> float:
        """Upper end of the claim."""
        if self.value is not None:
            return self.value + self.tolerance
        return math.inf if self.below is None else self.below


def is_performance(quantity: Quantity) -> bool:
    """Whether a quantity is how well, or how soon, a decoder decodes: what simulated data never decide.

    >>> [is_performance(Metric(metric=name, arm="v2")) for name in ("test/pearson", "gradient/ratio")]
    [True, False]
    """
    metric = getattr(quantity, "metric", "")
    return isinstance(quantity, EpochsToConverge) or metric.startswith(("test/", "validation/"))


class Claim(SpecModel):
    """One statement that can turn out wrong."""

    source: Text
    """Where it stands: section, table, line."""
    statement: Text
    """What is claimed, in the source's sense."""
    quantity: Quantity
    claimed: Claimed
    test: Literal["interval", "equivalence"] = "interval"
    """interval: the 1 - alpha interval has to lie inside the claim. equivalence: the 1 - 2 alpha interval,
    which is two one-sided tests, for a claim that something makes no difference."""
    data: Literal["none", "any", "real"]
    """What may decide it. none: the source's own numbers, or a count. any: mechanics, simulated listeners
    included. real: performance, which simulated data never decide."""
    note: Text | None = None
    """What a reader has to know of how it is measured."""

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        without_runs = isinstance(self.quantity, Arithmetic | Parameters)
        if without_runs and self.data != "none":
            raise ValueError(f"data: {self.quantity.kind} needs no run; write 'none'")
        if not without_runs and self.data == "none":
            raise ValueError(f"data: {self.quantity.kind} is measured in runs; write 'any' or 'real'")
        if self.data == "any" and is_performance(self.quantity):
            raise ValueError("data: this is performance, which simulated data never decide; write 'real'")
        if self.test == "equivalence" and not isinstance(self.quantity, Difference):
            raise ValueError("test: equivalence is a test of a difference")
        return self


def _levels(value: Any) -> Any:
    """Lists of YAML as the tuples of frozen values."""
    if not isinstance(value, dict):
        return value
    return {
        arm: {key: tuple(level) if isinstance(level, list) else level for key, level in levels.items()}
        if isinstance(levels, dict)
        else levels
        for arm, levels in value.items()
    }


class Heading(SpecModel):
    """All of a ledger but its claims."""

    kind: Literal["claims"] = "claims"
    name: Name
    source: Text
    """Whose claims they are: paper, README, guide."""
    notes: str | None = None
    arms: Annotated[Mapping[Name, Mapping[str, Any]], BeforeValidator(_levels)] = Field(default_factory=dict)
    """What the claims compare: arm -> spec keys with the levels that a cell must have to be it."""
    numbers: Mapping[Name, float] = Field(default_factory=dict)
    """The source's own numbers, for arithmetic."""
    parameters: Mapping[Name, Count] = Field(default_factory=dict)
    """Arm -> trainable parameters that were counted."""


class Ledger(Heading):
    """Claims of one source, each checkable."""

    claims: Mapping[Name, Claim] = Field(min_length=1)


def arms_of(quantity: Quantity) -> tuple[str, ...]:
    """The arms that a quantity speaks of.

    >>> arms_of(Difference(metric="test/pearson", treatment="after", reference="before"))
    ('after', 'before')
    """
    named = (getattr(quantity, field, None) for field in ("arm", "minus", "treatment", "reference"))
    return tuple(arm for arm in named if arm is not None)
