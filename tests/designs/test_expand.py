"""Grids to cells and trials: ids, labels, keys, contrasts, and levels that do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ablab.designs.expand import cells, contrast, expand, find, reference
from ablab.errors import SpecError
from ablab.spec.experiment import Experiment, Improvements, Level, MsePearson, PearsonLoss, Training
from ablab.spec.grid import Analysis, Contrast, Grid
from ablab.spec.identity import trial_key
from ablab.spec.load import load_grid, with_values
from ablab.spec.trial import Cell

BASE = Experiment(name="base")


def grid(factors: Mapping[str, Sequence[Level]], **more: Any) -> Grid:
    held = {key: tuple(levels) for key, levels in factors.items()}
    return Grid(name="g", base="base.yaml", factors=held, **more)


def made(of: Grid) -> tuple[Cell, ...]:
    return cells(of, {"": BASE})


TWO = {"improvements.residual": ["none", "gated"], "improvements.gradient_scale": [1, 2]}


def test_a_cell_has_id_label_levels_and_the_experiment_they_make() -> None:
    cell = made(grid(TWO))[-1]
    assert cell.id == "residual=gated,gradient_scale=2.0"
    assert cell.label == "gated · gs2"
    assert repr(cell.factors) == "{'improvements.residual': 'gated', 'improvements.gradient_scale': 2.0}"
    wanted = Improvements(residual="gated", gradient_scale=2.0)
    assert cell.experiment == BASE.model_copy(update={"improvements": wanted})


# A key that changes orphans every finished trial of every user: these stay as they are for ever. The
# experiment is written out, since the quickstart's own values may be tuned and its keys with them.
def test_golden_keys_of_cells(root: Path) -> None:
    small = with_values(
        Experiment(name="small"),
        {"dataset.kind": "simulated", "dataset.window_seconds": 3, "model.d_model": 16, "model.n_heads": 2},
    )
    of = load_grid(root / "ablations" / "quickstart.yaml").grid
    trials = expand(of, small, "0" * 32)
    assert [trials[index].key for index in (0, 1, -1)] == [
        "19e89e3a76e7491107398de8ba23260e",
        "64bac46799adcfa73c381a3de10cf81c",
        "09d0615f9132b1777408d35b9a9d11c0",
    ]
    assert trials[-1].name == "gated · mlp · gs2 · s2"


def test_trials_are_cells_times_seeds_and_pure() -> None:
    of = grid(TWO, seeds=(3, 7))
    trials = expand(of, BASE, "data")
    assert expand(of, {"": BASE}, "data") == trials
    assert [(trial.cell.id, trial.seed) for trial in trials[:3]] == [
        ("residual=none,gradient_scale=1.0", 3),
        ("residual=none,gradient_scale=1.0", 7),
        ("residual=none,gradient_scale=2.0", 3),
    ]
    assert trials[0].key == trial_key(BASE, "data", 3)
    assert {trial.study for trial in trials} == {"g"}
    assert {trial.study for trial in expand(of, BASE, "data", study="g@12345678")} == {"g@12345678"}
    assert {trial.data_fingerprint for trial in trials} == {"data"}


def test_neither_the_order_of_factors_nor_the_design_changes_a_key() -> None:
    turned = grid(dict(reversed(TWO.items())))
    added = grid({**TWO, "improvements.mlp_head": [False, True]}, design="add_one_in")
    keys = {trial.key for trial in expand(grid(TWO), BASE, "data")}
    assert {trial.key for trial in expand(turned, BASE, "data")} == keys
    assert len(keys & {trial.key for trial in expand(added, BASE, "data")}) == 3 * 3


def test_leave_one_out_of_one_factor_has_two_cells() -> None:
    of = grid({"improvements.mlp_head": [False, True]}, design="leave_one_out")
    assert [cell.id for cell in made(of)] == ["mlp_head=false", "mlp_head=true"]


def test_levels_that_do_not_fit_one_another_name_the_cell() -> None:
    with pytest.raises(SpecError) as caught:
        made(grid({"model.d_model": [8, 12], "model.n_heads": [2, 8]}))
    assert [str(problem) for problem in caught.value.problems] == [
        "g: model.d_model: 12 is not divisible by n_heads 8 (in cell d_model=12,n_heads=8)"
    ]


def test_a_kind_can_be_a_factor() -> None:
    losses = [
        cell.experiment.training.loss
        for cell in made(grid({"training.loss.kind": ["mse_pearson", "pearson"]}))
    ]
    assert losses == [MsePearson(), PearsonLoss()]


def test_the_contrast_is_the_declared_one() -> None:
    declared = Contrast(
        treatment="residual=gated,gradient_scale=1.0", reference="residual=none,gradient_scale=2.0"
    )
    of = grid(TWO, analysis=Analysis(contrast=declared))
    assert [cell.id for cell in contrast(of, made(of))] == [declared.treatment, declared.reference]
    # The reference cell is the design's, whatever the contrast compares.
    assert reference(of, made(of)).id == "residual=none,gradient_scale=1.0"


@pytest.mark.parametrize("design", ["full_factorial", "leave_one_out"])
def test_without_a_declaration_the_full_cell_is_contrasted(design: str) -> None:
    of = grid(TWO, design=design)
    assert [cell.id for cell in contrast(of, made(of)[::-1])] == [
        "residual=gated,gradient_scale=2.0",
        "residual=none,gradient_scale=1.0",
    ]


def test_without_a_full_cell_the_last_one_is_contrasted() -> None:
    of = grid(TWO, design="add_one_in")
    assert contrast(of, made(of))[0].id == "residual=none,gradient_scale=2.0"


def test_a_cell_that_is_not_there_names_the_nearest() -> None:
    declared = Contrast(
        treatment="residual=gated,gradient_scale=2", reference="residual=none,gradient_scale=1.0"
    )
    of = grid(TWO, analysis=Analysis(contrast=declared))
    with pytest.raises(SpecError) as caught:
        made(of)
    assert str(caught.value) == (
        "g: analysis.contrast.treatment: no cell 'residual=gated,gradient_scale=2' "
        "(did you mean 'residual=gated,gradient_scale=2.0'?)"
    )
    plain = grid(TWO)
    with pytest.raises(SpecError, match=r"g: no cell 'zzz' \(cells: residual=none,gradient_scale=1.0, "):
        find(plain, made(plain), "zzz")


NAMED = Grid(name="g", design="named", cells={"one": "1.yaml", "two": "2.yaml"})


def test_cells_of_a_named_design_differ_in_what_their_experiments_differ_in() -> None:
    one = with_values(BASE, {"dataset.path": "p", "notes": "x"})
    two = with_values(BASE, {"name": "b", "training.loss.kind": "huber_pearson", "training.epochs": 2})
    found = cells(NAMED, {"two": two, "one": one})
    assert [cell.id for cell in found] == [cell.label for cell in found] == ["one", "two"]
    assert found[0].factors == {
        "training.epochs": 1000,
        "training.loss.kind": "mse_pearson",
        "training.loss.weight": 1.0,
        "training.loss.beta": None,
    }
    assert found[1].factors == {
        "training.epochs": 2,
        "training.loss.kind": "huber_pearson",
        "training.loss.weight": 0.3,
        "training.loss.beta": 0.1,
    }
    assert [cell.id for cell in contrast(NAMED, found)] == ["two", "one"]
    assert [trial.name for trial in expand(NAMED, {"one": one, "two": two}, "d")][:2] == [
        "one · s0",
        "one · s1",
    ]


def test_two_cells_that_are_one_experiment_are_refused() -> None:
    same = BASE.model_copy(update={"name": "other", "notes": "x"})
    with pytest.raises(SpecError) as caught:
        cells(NAMED, {"one": BASE, "two": same})
    assert str(caught.value) == "g: two: is the same experiment as cell 'one'; leave one out"


def test_a_single_cell_cannot_be_contrasted() -> None:
    of = Grid(name="g", design="named", cells={"one": "1.yaml"})
    with pytest.raises(SpecError, match="g: cells: has only the cell 'one'; a contrast needs two"):
        contrast(of, cells(of, {"one": Experiment(name="a", training=Training(epochs=1))}))


def test_a_contrast_of_cells_that_are_not_there_is_refused_with_the_cells() -> None:
    unknown = Contrast(treatment="residual=gatd,gradient_scale=2.0", reference="nothing like it")
    with pytest.raises(SpecError) as caught:
        made(grid(TWO, analysis=Analysis(contrast=unknown)))
    treatment, other = (str(problem) for problem in caught.value.problems)
    assert treatment == (
        "g: analysis.contrast.treatment: no cell 'residual=gatd,gradient_scale=2.0' "
        "(did you mean 'residual=gated,gradient_scale=2.0'?)"
    )
    assert "analysis.contrast.reference: no cell 'nothing like it' (" in other
    twice = Contrast(
        treatment="residual=none,gradient_scale=1.0", reference="residual=none,gradient_scale=1.0"
    )
    with pytest.raises(SpecError, match=r"analysis\.contrast: treatment and reference are the same cell"):
        made(grid(TWO, analysis=Analysis(contrast=twice)))
