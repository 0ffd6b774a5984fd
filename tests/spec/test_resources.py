from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablab.designs.expand import expand
from ablab.errors import SpecError
from ablab.spec.load import load_grid

Write = Callable[[str, str], Path]
BASE = "name: base\nmodel: {d_model: 32, n_heads: 2}\n"
GRID = "kind: grid\nname: g\nbase: base.yaml\nfactors: {improvements.mlp_head: [false, true]}\nseeds: [0]\n"


@pytest.fixture
def grid(write: Write) -> Callable[[str], Path]:
    def with_lines(lines: str) -> Path:
        write("base.yaml", BASE)
        return write("grid.yaml", GRID + lines)

    return with_lines


def keys(file: Path, *overrides: str) -> list[str]:
    loaded = load_grid(file, overrides)
    return [trial.key for trial in expand(loaded.grid, loaded.bases, "data")]


def test_gpus_per_trial_are_processes_of_every_cell(grid: Callable[[str], Path]) -> None:
    loaded = load_grid(grid("resources: {gpus_per_trial: 4}\n"))
    trials = expand(loaded.grid, loaded.bases, "data")
    assert [trial.cell.experiment.training.processes for trial in trials] == [4, 4]
    assert loaded.study == "g"


def test_named_cells_get_them_too(write: Write) -> None:
    write("a.yaml", BASE.replace("base", "a"))
    write("b.yaml", BASE.replace("base", "b").replace("32", "16"))
    cells = "cells: {a: a.yaml, b: b.yaml}\nresources: {gpus_per_trial: 2}\n"
    loaded = load_grid(write("grid.yaml", f"kind: grid\nname: g\ndesign: named\n{cells}"))
    assert [base.training.processes for base in loaded.bases.values()] == [2, 2]


def test_the_number_of_processes_is_in_the_key_and_resources_are_not(grid: Callable[[str], Path]) -> None:
    plain = keys(grid(""))
    assert keys(grid("resources: {gpus_per_trial: 1}\n")) == plain
    two = keys(grid("resources: {gpus_per_trial: 2}\n"))
    assert set(two).isdisjoint(plain)
    assert keys(grid(""), "training.processes=2") == two
    assert keys(grid("resources: {gpus_per_trial: null}\n"), "training.processes=2") == two


def test_what_the_resources_would_overwrite_is_refused(write: Write) -> None:
    write("base.yaml", BASE)
    lines = "resources: {gpus_per_trial: 2}\n"
    factor = GRID.replace("improvements.mlp_head: [false, true]", "training.processes: [1, 2]")
    with pytest.raises(SpecError) as caught:
        load_grid(write("grid.yaml", factor + lines))
    assert str(caught.value).endswith(
        "grid.yaml:4: factors.training.processes: resources.gpus_per_trial sets it in every cell;"
        " leave one of them out"
    )
    with pytest.raises(SpecError) as caught:
        load_grid(write("grid.yaml", GRID + lines), ["training.processes=3"])
    assert str(caught.value) == (
        "--set: training.processes: resources.gpus_per_trial sets it in every cell;"
        " use --set grid.resources.gpus_per_trial=N"
    )


@pytest.mark.parametrize("share", [0, 0.25, 0.33, 0.5])
def test_a_share_of_a_gpu_is_one_process_and_none_leaves_the_processes(
    grid: Callable[[str], Path], share: float
) -> None:
    file = grid(f"resources: {{gpus_per_trial: {share}}}\n")
    assert load_grid(file).grid.resources.gpus_per_trial == share
    assert keys(file) == keys(grid(""))
    if share == 0:
        zero = grid("resources: {gpus_per_trial: 0}\n")
        assert keys(zero, "training.processes=2") == keys(grid(""), "training.processes=2")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("-1", "must be at least 0, not -1"),
        ("1.5", "must be a whole number above 1, not 1.5: each process has a GPU of its own"),
        ("0.3", "must be 1/2, 1/3, 1/4 ... 1/16 of a GPU, so that trials fill it, not 0.3 (near it: 0.33)"),
        ("two", "must be a number, not the string 'two'"),
    ],
)
def test_a_number_that_fills_no_gpu_is_refused(grid: Callable[[str], Path], number: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_grid(grid(f"resources: {{gpus_per_trial: {number}}}\n"))
    assert str(caught.value).endswith(f"grid.yaml:6: resources.gpus_per_trial: {reason}")
