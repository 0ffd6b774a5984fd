"""What a search is, as values: a base experiment, a space of values, an objective on validation, a budget.

Paths and the space stand as written; ``spec.load_search`` resolves the one and checks the other against the
base experiment.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ablab.spec.grid import Resources, Seed
from ablab.spec.values import AsTuple, Count, Name, Positive, Probability, SpecModel

OBJECTIVES = ("validation/pearson", "validation/loss", "validation/pearson_unseen")
"""Metrics of a run that look at the validation recordings alone."""
_LOWER_IS_BETTER = ("validation/loss",)


def _of_validation(metric: str) -> str:
    if metric.startswith("test/"):
        raise ValueError(
            f"{metric} is a test metric, and the test set stays sealed until the winner is confirmed; "
            "search on a metric of the validation recordings, such as validation/pearson"
        )
    if metric not in OBJECTIVES:
        raise ValueError(f"must be {' or '.join(OBJECTIVES)}, not {metric!r}")
    return metric


class Tpe(SpecModel):
    """Tree-structured Parzen estimator; points in training count as bad, so that several at once differ."""

    kind: Literal["tpe"] = "tpe"
    seed: Seed = 0
    startup_trials: Count = 10
    """Points drawn at random before the estimator begins."""


class Random(SpecModel):
    """Points drawn independently of one another."""

    kind: Literal["random"] = "random"
    seed: Seed = 0


class EveryPoint(SpecModel):
    """All points of the space, in an order shuffled by the seed."""

    kind: Literal["grid"] = "grid"
    seed: Seed = 0


class Median(SpecModel):
    """Ends a point whose value so far is below the median of the others at the same evaluation."""

    kind: Literal["median"] = "median"
    startup_trials: Count = 5
    """Points that have to be complete before any is ended."""
    warmup_evaluations: Annotated[int, Field(ge=0)] = 0
    """Evaluations of each point before it can be ended."""


class Hyperband(SpecModel):
    """Successive halving in several brackets, the resource being evaluations."""

    kind: Literal["hyperband"] = "hyperband"
    reduction_factor: Annotated[int, Field(ge=2)] = 3


class Wilcoxon(SpecModel):
    """Ends a point that is worse than the best by a signed-rank test over (seed, subject) pairs."""

    kind: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.1


class NoPruner(SpecModel):
    """Every point is trained under all its seeds."""

    kind: Literal["none"] = "none"


Sampler = Annotated[Tpe | Random | EveryPoint, Field(discriminator="kind")]
Pruner = Annotated[Median | Hyperband | Wilcoxon | NoPruner, Field(discriminator="kind")]


class Confirm(SpecModel):
    """The winner and the base, trained again under seeds that the search has not seen, on all subjects."""

    seeds: Annotated[int, Field(ge=2)] = 5
    sesoi: Positive = 0.01
    """Smallest effect of interest, in r."""
    alpha: Annotated[Probability, Field(gt=0, lt=0.5)] = 0.05


class Search(SpecModel):
    """A search as its file declares it."""

    kind: Literal["search"] = "search"
    name: Name
    notes: str | None = None
    base: str = Field(min_length=1)
    """Experiment file, relative to the search's file."""
    space: dict[str, Any] = Field(min_length=1)
    """Spec key -> {low, high, log, step}, or a list of values."""
    objective: Annotated[str, AfterValidator(_of_validation)] = "validation/pearson"
    """Metric of the validation recordings; the mean over a point's seeds is what is searched for."""
    direction: Literal["maximize", "minimize"] = "maximize"
    sampler: Sampler = Field(default_factory=Tpe)
    pruner: Pruner = Field(default_factory=NoPruner)
    trials: Count = 40
    """Points; each is trained under all its seeds, unless it is ended early."""
    seeds_per_trial: Count = 2
    """Seeds 0, 1, ... of every point."""
    subjects: Annotated[tuple[str, ...] | None, AsTuple] = Field(default=None, min_length=1)
    """Subjects that the search trains on, by name; null for those of the base. The confirmation uses all."""
    confirm: Confirm | None = Field(default_factory=Confirm)
    """null: the winner is not confirmed, and nothing is known of it but that it won."""
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="after")
    def _consistent(self) -> Search:
        better = "minimize" if self.objective in _LOWER_IS_BETTER else "maximize"
        if self.direction != better:
            raise ValueError(f"direction: {self.objective} is to be {better}d, not {self.direction}d")
        if isinstance(self.pruner, Wilcoxon):
            if self.objective != "validation/pearson":
                raise ValueError(
                    "pruner: wilcoxon compares subjects, and only validation/pearson has a value for each"
                )
            if self.seeds_per_trial < 2:
                raise ValueError(
                    "pruner: wilcoxon looks when a seed has ended; with seeds_per_trial 1 nothing ends early"
                )
        if self.subjects is not None and len(set(self.subjects)) != len(self.subjects):
            raise ValueError("subjects: names a subject twice")
        return self

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of every point."""
        return tuple(range(self.seeds_per_trial))

    @property
    def fresh_seeds(self) -> tuple[int, ...]:
        """Seeds of the confirmation: none of the search's."""
        n = 0 if self.confirm is None else self.confirm.seeds
        return tuple(range(self.seeds_per_trial, self.seeds_per_trial + n))
