"""What running a grid would do: cells, data, standing of every trial, cost and power. Trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablab.designs.expand import cells, contrast
from ablab.designs.placebos import seeds_of
from ablab.spec.grid import Grid
from ablab.spec.load import LoadedGrid
from ablab.spec.trial import Cell

if TYPE_CHECKING:
    from ablab.data.corpus import DataSummary
    from ablab.orchestration.forecast import Cost, Power
    from ablab.orchestration.selection import HowFar
    from ablab.paths import Paths
    from ablab.tracking.store import RunStore


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial of the plan; key and state are None in an offline plan, which looks at no data."""

    cell: str
    seed: int
    key: str | None = None
    state: HowFar | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A grid before it is run."""

    study: str
    grid: Grid
    cells: tuple[Cell, ...]
    trials: tuple[PlannedTrial, ...]
    data: DataSummary | None = None
    cost: Cost | None = None
    power: Power | None = None

    @property
    def offline(self) -> bool:
        """Whether neither data nor store were looked at."""
        return self.data is None

    def as_json(self) -> Mapping[str, object]:
        """The object that ``grid plan --json`` prints; its schema is ``docs/json/grid_plan.json``."""
        return {
            "study": self.study,
            "cells": [
                {"cell": cell.id, "label": cell.label, "factors": dict(cell.factors)} for cell in self.cells
            ],
            "trials": [
                {"key": each.key, "cell": each.cell, "seed": each.seed, "state": each.state}
                for each in self.trials
            ],
            "seconds_estimate": None if self.cost is None else round(self.cost.seconds_wall, 1),
        }


def plan_offline(loaded: LoadedGrid) -> Plan:
    """Cells and seeds only; imports nothing heavy and reads nothing but the spec."""
    found = cells(loaded.grid, loaded.bases)
    trials = tuple(
        PlannedTrial(cell.id, seed) for cell in found for seed in seeds_of(cell.id, loaded.grid.seeds)
    )
    return Plan(loaded.study, loaded.grid, found, trials)


def plan(loaded: LoadedGrid, *, paths: Paths, store: RunStore, workers: int | None = None) -> Plan:
    """The whole plan; looks at the data (reading only what changed) and at the store.

    Raises DataError where the data cannot be used, StoreError.
    """
    from ablab.data.datasets import fingerprint, summary
    from ablab.orchestration.forecast import cost_of, power_of
    from ablab.orchestration.gpus import automatic_workers
    from ablab.orchestration.pilot_facts import pilot_of
    from ablab.orchestration.preparation import planned
    from ablab.orchestration.selection import standings
    from ablab.tracking.provenance import code_fingerprint

    trials = planned(loaded, lambda dataset: fingerprint(dataset, paths))
    found = tuple({trial.cell.id: trial.cell for trial in trials}.values())
    states = store.states(loaded.study)
    standing = standings(trials, states, code_fingerprint())
    data = summary(found[0].experiment.dataset, paths)
    pair = [cell.id for cell in contrast(loaded.grid, found)]
    records = store.records(loaded.study, cells=pair) if states else ()
    pilot = pilot_of(loaded.study, paths)
    gpus = loaded.grid.resources.gpus_per_trial
    return Plan(
        loaded.study,
        loaded.grid,
        found,
        tuple(
            PlannedTrial(each.trial.cell.id, each.trial.seed, each.trial.key, each.progress)
            for each in standing
        ),
        data,
        cost_of(
            standing,
            pilot,
            workers or automatic_workers(found, "auto", gpus),
        ),
        power_of(loaded, found, records, pilot, data.n_subjects - data.n_unseen),
    )
