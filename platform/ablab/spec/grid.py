"""What a grid is, as values: a base experiment, factors, a design, seeds, and the declared analysis.

Paths stand as written; ``spec.load`` resolves them against the file and checks every level against the
base experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ablab.spec.experiment import AsTuple, Name, Positive, SpecModel
from ablab.spec.values import Distinct

DesignName = Literal["full_factorial", "leave_one_out", "add_one_in", "one_at_a_time", "named"]
Control = Literal["frozen_stack", "no_stack", "stack_lr_x2"]
Placebo = Literal["no_eeg", "a_a"]

FRESH_SEEDS = 1_000_000
"""Where the seeds of the placebo a_a begin: seed s has its partner at this plus s."""


def _levels(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuple(levels) if isinstance(levels, list) else levels for key, levels in value.items()}
    return value


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Contrast(SpecModel):
    """The one comparison that is confirmatory: two cells by their id."""

    treatment: str = Field(min_length=1)
    reference: str = Field(min_length=1)


class Analysis(SpecModel):
    """What was decided about the comparison before anything was trained."""

    metric: str = Field(default="test/pearson", min_length=1)
    contrast: Contrast | None = None
    """null: the cell with every factor at its last level against the one with every factor at its first."""
    sesoi: Positive = 0.01
    """Smallest effect of interest, in r."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    model_scope: Literal["pooled", "per_subject"] = "pooled"
    """pooled: one model is trained on all subjects, so that seeds and subjects are crossed."""
    controls: Annotated[tuple[Control, ...], AsTuple] = ()
    """Trained controls of both cells of the contrast: frozen_stack, no_stack, stack_lr_x2."""
    placebos: Annotated[tuple[Placebo, ...], AsTuple, Distinct] = ()
    """Arms in which nothing can be better: no_eeg, both cells of the contrast on EEG shuffled in time; a_a,
    the reference once more on fresh seeds."""
    claims: str | None = Field(default=None, min_length=1)
    """Claims file, relative to the grid's file: what the study is to decide (``ablab claims``)."""

    @model_validator(mode="after")
    def _available(self) -> Analysis:
        if len(set(self.controls)) != len(self.controls):
            raise ValueError("controls: names a control twice")
        return self


_MOST_ON_ONE_GPU = 16
"""Trials that share a GPU; each has a CUDA context of some 0.5 GB."""


def _fills_gpus(value: float) -> float:
    """Whole GPUs, or a share of which a whole number fills one."""
    if value >= 1 and value != round(value):
        raise ValueError(f"must be a whole number above 1, not {value:g}: each process has a GPU of its own")
    if 0 < value < 1:
        n = round(1 / value)
        if n > _MOST_ON_ONE_GPU or abs(n * value - 1) > 0.02:
            near = 1 / min(max(n, 2), _MOST_ON_ONE_GPU)
            raise ValueError(
                f"must be 1/2, 1/3, 1/4 ... 1/{_MOST_ON_ONE_GPU} of a GPU, so that trials fill it, not "
                f"{value:g} (near it: {near:.2g})"
            )
    return value


class Resources(SpecModel):
    """What each trial takes; launchers start as many at once as there is room for."""

    gpus_per_trial: Annotated[float, Field(ge=0), AfterValidator(_fills_gpus)] | None = None
    """GPUs of each trial. A whole number is one process on each, and sets ``training.processes`` in every
    cell; 0.25 puts four trials of one process on a GPU; 0 trains on the CPU, by as many processes as the
    experiments have. null leaves them alone, and gives each process a GPU where there are any."""


class Grid(SpecModel):
    """An ablation grid as its file declares it."""

    kind: Literal["grid"] = "grid"
    name: Name
    notes: str | None = None
    base: str | None = Field(default=None, min_length=1)
    """Experiment file, relative to the grid's file; not for ``design: named``."""
    factors: Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_levels)] = Field(default_factory=dict)
    """Spec key -> levels; the first is the reference, the last the full level."""
    design: DesignName = "full_factorial"
    cells: Mapping[Name, str] = Field(default_factory=dict)
    """For ``design: named``: cell name -> experiment file, the first being the reference."""
    seeds: Annotated[tuple[Seed, ...], AsTuple] = Field(default=(0, 1, 2), min_length=1)
    analysis: Analysis = Field(default_factory=Analysis)
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="after")
    def _consistent(self) -> Grid:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: names a seed twice")
        if "a_a" in self.analysis.placebos and max(self.seeds) >= FRESH_SEEDS:
            raise ValueError(f"seeds: must be below {FRESH_SEEDS}, where those of the placebo a_a begin")
        if self.design == "named":
            if not self.cells:
                raise ValueError("cells: design 'named' needs at least one cell (name: experiment file)")
            if self.factors:
                raise ValueError("factors: design 'named' takes cells, not factors")
            if self.base is not None:
                raise ValueError("base: design 'named' takes cells, each with its own experiment file")
            return self
        if self.cells:
            raise ValueError(f"cells: only for design 'named', not '{self.design}'")
        if self.base is None:
            raise ValueError("base: missing; name the experiment file that the factors vary")
        if not self.factors:
            raise ValueError("factors: missing; name at least one key with its levels")
        for key, levels in self.factors.items():
            if not isinstance(levels, tuple) or len(levels) < 2:
                raise ValueError(f"factors.{key}: needs a list of at least two levels")
            if len({repr(level) for level in levels}) != len(levels):
                raise ValueError(f"factors.{key}: names a level twice")
        return self
