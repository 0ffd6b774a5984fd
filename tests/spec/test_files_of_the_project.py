"""Every file in experiments/ and ablations/ loads, expands, and says what the project says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ablab.designs.expand import cells as cells_of
from ablab.designs.expand import contrast, expand, reference
from ablab.regression.noninferiority import LEAST_SEEDS
from ablab.spec.identity import trial_key
from ablab.spec.load import load_experiment, load_grid, with_values
from ablab.spec.load_regression import load_regression
from ablab.spec.load_search import load_search
from ablab.spec.reader import read_file
from ablab.spec.schema import json_schema
from ablab.spec.space import Range
from ablab.spec.writing import resolved_yaml

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
STUDIES = {file: read_file(file).tree.plain()["kind"] for file in sorted((ROOT / "ablations").glob("*.yaml"))}
GRIDS, SEARCHES, GATES = (
    [file for file, kind in STUDIES.items() if kind == wanted] for wanted in ("grid", "search", "regression")
)


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("file", EXPERIMENTS, ids=name)
def test_an_experiment_loads_under_its_file_name(file: Path, tmp_path: Path) -> None:
    experiment = load_experiment(file).experiment
    assert experiment.name == file.stem
    assert experiment.notes
    copy = tmp_path / "spec.yaml"
    copy.write_text(resolved_yaml(experiment), encoding="utf-8")
    assert load_experiment(copy).experiment == experiment


@pytest.mark.parametrize("file", GRIDS, ids=name)
def test_a_grid_loads_and_expands(file: Path) -> None:
    loaded = load_grid(file)
    cells = cells_of(loaded.grid, loaded.bases)
    trials = expand(loaded.grid, loaded.bases, "data")
    assert loaded.study == loaded.grid.name == file.stem
    assert len({trial.key for trial in trials}) == len(trials) == len(cells) * len(loaded.grid.seeds)
    treatment, against = contrast(loaded.grid, cells)
    assert against == reference(loaded.grid, cells) == cells[0] != treatment


@pytest.mark.parametrize("file", SEARCHES, ids=name)
def test_a_search_loads_and_both_ends_of_its_space_are_experiments(file: Path) -> None:
    loaded = load_search(file)
    assert loaded.study == loaded.search.name == file.stem
    for ends in ("low", "high"):
        levels = {
            key: getattr(axis, ends) if isinstance(axis, Range) else axis.levels[0 if ends == "low" else -1]
            for key, axis in loaded.space.items()
        }
        assert with_values(loaded.base, levels)
    assert not {*loaded.search.seeds} & {*loaded.search.fresh_seeds}


@pytest.mark.parametrize("file", GATES, ids=name)
def test_a_gate_loads_under_its_file_name(file: Path) -> None:
    loaded = load_regression(file)
    assert loaded.study == loaded.regression.name == file.stem
    assert len(loaded.regression.seeds) >= LEAST_SEEDS


def test_the_smoke_gate_trains_what_the_quickstart_promotes() -> None:
    grid = load_grid(ROOT / "ablations" / "quickstart.yaml")
    treatment, _ = contrast(grid.grid, cells_of(grid.grid, grid.bases))
    gate = load_regression(ROOT / "ablations" / "regression_smoke.yaml")
    assert set(gate.regression.seeds) <= set(grid.grid.seeds)
    for seed in gate.regression.seeds:
        assert trial_key(gate.experiment, "data", seed) == trial_key(treatment.experiment, "data", seed)


@pytest.mark.parametrize(
    ("grid", "cells", "seeds"),
    [
        ("quickstart", 12, 3),
        ("v2_improvements", 12, 5),
        ("leave_one_out", 5, 5),
        ("add_one_in", 4, 5),
        ("named_configurations", 4, 5),
        ("front_layers", 6, 5),
    ],
)
def test_the_size_of_a_grid(grid: str, cells: int, seeds: int) -> None:
    loaded = load_grid(ROOT / "ablations" / f"{grid}.yaml")
    assert len(cells_of(loaded.grid, loaded.bases)) == cells
    assert len(loaded.grid.seeds) == seeds


@pytest.mark.parametrize(
    ("experiment", "improvements"),
    [
        ("original", ("none", False, 1.0)),
        ("quickstart", ("none", False, 1.0)),
        ("smoke", ("gated", True, 2.0)),
        ("v2_full", ("gated", True, 2.0)),
        ("v2_conservative", ("global", True, 1.5)),
        ("v2_aggressive", ("gated", True, 3.0)),
    ],
)
def test_what_an_experiment_switches_on(experiment: str, improvements: tuple[str, bool, float]) -> None:
    on = load_experiment(ROOT / "experiments" / f"{experiment}.yaml").experiment.improvements
    assert (on.residual, on.mlp_head, on.gradient_scale) == improvements
    assert on.gradient_scale_position == "stack"


@pytest.mark.parametrize("file", [*EXPERIMENTS, *STUDIES], ids=name)
def test_a_file_fits_the_schema_that_editors_use(file: Path) -> None:
    content: Any = read_file(file).tree.plain()
    jsonschema.validate(content, json_schema(STUDIES.get(file, "experiment")))
