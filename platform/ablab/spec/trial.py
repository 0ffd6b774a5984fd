"""What is planned: cells (combinations of factor levels) and trials (a cell under one seed)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablab.spec.experiment import Experiment, Level


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of factor levels."""

    id: str
    """``residual=gated,mlp_head=true,gradient_scale=2.0``, or the cell's name in a named design."""
    label: str
    """Short form for people: ``gated · mlp · gs2``."""
    factors: Mapping[str, Level]
    """Full spec key -> this cell's level."""
    experiment: Experiment
    """The resolved spec."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell under one seed: the unit that is trained, stored and never trained twice."""

    key: str
    """Content hash of resolved spec, data fingerprint and seed (``spec.identity``)."""
    study: str
    cell: Cell
    seed: int
    data_fingerprint: str

    @property
    def name(self) -> str:
        """The run's name in MLflow: ``gated · mlp · gs2 · s1``."""
        return f"{self.cell.label} · s{self.seed}"
