"""Placebo arms: which cells and seeds they become, and that the design beside them stays as it was."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.comparison.study import ORIGINAL, run

from ablab.designs.controls import is_control
from ablab.designs.expand import cells, contrast, expand
from ablab.designs.placebos import as_replicates, is_placebo
from ablab.spec.experiment import Experiment
from ablab.spec.grid import FRESH_SEEDS, Analysis, Grid
from ablab.spec.identity import flatten

BASE = Experiment(name="base")
FACTORS = {"improvements.residual": ("none", "gated"), "improvements.mlp_head": (False, True)}


def grid(placebos: tuple[str, ...] = ("no_eeg", "a_a"), **more: object) -> Grid:
    analysis = Analysis.model_validate({"placebos": placebos})
    return Grid.model_validate(
        {"name": "g", "base": "base.yaml", "factors": FACTORS, "analysis": analysis, **more}
    )


def test_both_arms_without_eeg_and_the_reference_again() -> None:
    made = cells(grid(), {"": BASE})
    none, full = "residual=none,mlp_head=false", "residual=gated,mlp_head=true"
    assert [cell.id for cell in made[4:]] == [
        f"{none},control=no_eeg",
        f"{full},control=no_eeg",
        f"{none},control=a_a",
    ]
    assert [cell.label for cell in made[4:]] == [
        "none · linear · no_eeg",
        "gated · mlp · no_eeg",
        "none · linear · a_a",
    ]
    assert [is_placebo(cell.id) for cell in made] == [False] * 4 + [True] * 3
    assert all(is_control(cell.id) for cell in made[4:])
    assert contrast(grid(), made) == contrast(grid(()), cells(grid(()), {"": BASE}))


def test_a_placebo_differs_from_its_cell_in_the_eeg_or_in_nothing() -> None:
    made = {cell.id: cell for cell in cells(grid(), {"": BASE})}
    for name in ("residual=none,mlp_head=false", "residual=gated,mlp_head=true"):
        plain = flatten(made[name].experiment)
        shuffled = flatten(made[f"{name},control=no_eeg"].experiment)
        changed = {key: value for key, value in shuffled.items() if plain[key] != value}
        assert changed == {"dataset.shuffle_eeg": 0}
    again = made["residual=none,mlp_head=false,control=a_a"]
    assert again.experiment == made["residual=none,mlp_head=false"].experiment


def test_a_a_has_seeds_and_so_keys_of_its_own() -> None:
    trials = expand(grid(seeds=(0, 3)), BASE, "data")
    assert len({trial.key for trial in trials}) == len(trials) == 7 * 2
    by_cell = {trial.cell.id: [] for trial in trials}
    for trial in trials:
        by_cell[trial.cell.id].append(trial.seed)
    again = by_cell.pop("residual=none,mlp_head=false,control=a_a")
    assert again == [FRESH_SEEDS, FRESH_SEEDS + 3]
    assert all(seeds == [0, 3] for seeds in by_cell.values())


def test_without_the_declaration_nothing_changes() -> None:
    assert expand(grid(()), BASE, "data") == expand(grid(), BASE, "data")[: 4 * 3]


def test_seeds_among_the_fresh_ones_are_refused() -> None:
    with pytest.raises(ValidationError, match="seeds: must be below 1000000, where those of the placebo a_a"):
        grid(seeds=(0, FRESH_SEEDS))
    assert grid(("no_eeg",), seeds=(0, FRESH_SEEDS)).seeds == (0, FRESH_SEEDS)


def test_a_placebo_named_twice_or_unknown_is_refused() -> None:
    for wrong in (("a_a", "a_a"), ("no_brain",)):
        with pytest.raises(ValidationError):
            grid(wrong)


def test_fresh_seeds_are_set_against_the_seeds_of_the_grid() -> None:
    records = (run(ORIGINAL, 1), run(f"{ORIGINAL},control=a_a", FRESH_SEEDS + 1))
    assert [record.seed for record in as_replicates(records)] == [1, 1]
