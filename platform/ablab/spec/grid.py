"""What a grid is, as values: a base experiment, factors, a design, seeds, and the declared analysis.

Paths stand as written; ``spec.load`` resolves them against the file and checks every level against the
base experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ablab.spec.experiment import AsTuple, Name, Positive, SpecModel
from ablab.spec.values import Count, Distinct

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


class Resources(SpecModel):
    """What each trial takes; launchers start as many at once as there is room for."""

    gpus_per_trial: Count | None = None
    """GPUs of each trial, one process on each: sets ``training.processes`` in every cell. null leaves that as
    the experiments have it."""


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
