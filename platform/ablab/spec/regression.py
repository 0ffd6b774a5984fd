"""What a regression gate is, as values: an experiment, its baseline, what may not get worse, when to look.

Paths stand as written; ``spec.load_regression`` resolves them against the file.
"""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from ablab.spec.cron import parse_cron
from ablab.spec.grid import Seed
from ablab.spec.values import AsTuple, Count, Name, NonNegative, Positive, SpecModel


class Check(SpecModel):
    """One quantity that is held against the baseline's; exactly one of margin, at_least/at_most, equal."""

    metric: str = Field(min_length=1)
    """A metric of the runs, such as test/pearson; ``*`` stands for any text: weights/drift/*."""
    margin: Positive | None = None
    """Non-inferiority: how much lower the candidate may be, tested over subjects and seeds."""
    at_least: NonNegative | None = None
    """Lowest quotient of the candidate's mean over seeds and the baseline's."""
    at_most: Positive | None = None
    """Highest such quotient."""
    equal: bool = False
    """Whether the mean over seeds must be the same number."""

    @model_validator(mode="after")
    def _one_way(self) -> Check:
        bounded = self.at_least is not None or self.at_most is not None
        ways = (self.margin is not None) + bounded + self.equal
        if ways != 1:
            raise ValueError(
                "metric: needs one of margin, at_least and/or at_most, or equal: true"
                + (" (and not several)" if ways > 1 else "")
            )
        if self.margin is not None and "*" in self.metric:
            raise ValueError("metric: a margin is for one metric, not for a pattern")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least: is above at_most")
        return self


class LearningCurve(SpecModel):
    """The candidate's mean curve must not run below the band of the baseline's seeds."""

    metric: str = Field(default="validation/pearson", min_length=1)
    """A metric with a value per evaluation; higher is better."""
    margin: Positive = 0.05
    """How far below the lowest of the baseline's seeds the band reaches."""


class Schedule(SpecModel):
    """When ``ablab regression serve`` runs the gate."""

    cron: str = Field(min_length=1)
    """Five fields as in a crontab, or six with the second in front; Sunday is 0 or 7."""
    timezone: str = Field(default="UTC", min_length=1)
    """Name in the IANA time zone database, such as Europe/Berlin."""
    misfire_grace_seconds: Count = 3600
    """How late a run may still start, after a restart or behind another gate; later it is left out."""

    @model_validator(mode="after")
    def _readable(self) -> Schedule:
        try:
            parse_cron(self.cron)
        except ValueError as error:
            raise ValueError(f"cron: {error}") from None
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"timezone: no time zone '{self.timezone}'; give an IANA name such as UTC or Europe/Berlin"
            ) from None
        return self


class Regression(SpecModel):
    """A regression gate as its file declares it."""

    kind: Literal["regression"] = "regression"
    name: Name
    notes: str | None = None
    experiment: str = Field(min_length=1)
    """Experiment file that is trained, relative to this file."""
    baseline: Name
    """Name under which ``ablab regression promote`` recorded what it is compared with."""
    seeds: Annotated[tuple[Seed, ...], AsTuple] = Field(default=(0, 1, 2), min_length=1)
    """Seeds of the first look; the baseline must have them."""
    max_seeds: Count | None = None
    """Seeds after the last look; further ones are taken from the baseline's. null adds none."""
    looks: Count = 1
    """How often the result may be looked at while seeds are added; alpha is divided by it."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """One-sided error of PASS and of FAIL, over all looks together."""
    model_scope: Literal["pooled", "per_subject"] = "pooled"
    """pooled: one model is trained on all subjects, so that seeds and subjects are crossed."""
    checks: Annotated[tuple[Check, ...], AsTuple] = (Check(metric="test/pearson", margin=0.01),)
    """What is held against the baseline; the first with a margin is the one reported first."""
    learning_curve: LearningCurve | None = None
    determinism: bool = True
    """Train the first seed twice and demand the same bits; on a CPU only."""
    schedule: Schedule | None = None
    on_fail: Annotated[tuple[str, ...], AsTuple] = ()
    """Command and its arguments, run without a shell where the verdict is FAIL; the verdict as JSON is on its
    standard input."""

    @property
    def primary(self) -> Check:
        """The first check with a margin."""
        return next(check for check in self.checks if check.margin is not None)

    @model_validator(mode="after")
    def _consistent(self) -> Regression:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: names a seed twice")
        if all(check.margin is None for check in self.checks):
            raise ValueError("checks: needs at least one check with a margin")
        named = [check.metric for check in self.checks]
        if len(set(named)) != len(named):
            raise ValueError("checks: names a metric twice")
        more = (self.max_seeds or len(self.seeds)) - len(self.seeds)
        if more < 0:
            raise ValueError(f"max_seeds: is below the {len(self.seeds)} seeds that are named")
        if more and self.looks < 2:
            raise ValueError("looks: seeds are added after a look, so max_seeds needs looks: 2 or more")
        if self.looks > more + 1:
            raise ValueError(
                f"looks: {self.looks} looks need at least {self.looks - 1} seeds to add; raise max_seeds"
            )
        return self
