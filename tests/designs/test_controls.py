"""Trained controls: which cells they become, and that the design beside them stays as it was."""

from __future__ import annotations

import pytest

from ablab.designs.controls import content_key, control_key, is_control
from ablab.designs.expand import cells, contrast, expand, reference
from ablab.errors import SpecError
from ablab.spec.experiment import Experiment
from ablab.spec.grid import Analysis, Grid
from ablab.spec.identity import flatten
from ablab.spec.load import with_values

BASE = Experiment(name="base")
FACTORS = {"improvements.residual": ("none", "gated"), "improvements.gradient_scale": (1.0, 2.0)}
ALL = ("frozen_stack", "no_stack", "stack_lr_x2")


def grid(controls: tuple[str, ...] = ALL, **more: object) -> Grid:
    fields = {"name": "g", "base": "base.yaml", "factors": FACTORS, **more}
    return Grid.model_validate({**fields, "analysis": Analysis.model_validate({"controls": controls})})


def test_both_cells_of_the_contrast_get_every_control_behind_the_design() -> None:
    made = cells(grid(), {"": BASE})
    assert [cell.id for cell in made[:4]] == [cell.id for cell in cells(grid(()), {"": BASE})]
    assert [cell.id for cell in made[4:]] == [
        f"residual={residual},gradient_scale={scale},control={control}"
        for residual, scale in (("none", "1.0"), ("gated", "2.0"))
        for control in ALL
    ]
    assert [cell.label for cell in made[4:6]] == ["none · gs1 · frozen_stack", "none · gs1 · no_stack"]
    assert [is_control(cell.id) for cell in made] == [False] * 4 + [True] * 6


def test_a_control_differs_from_its_cell_in_one_key() -> None:
    made = {cell.id: cell for cell in cells(grid(), {"": BASE})}
    full = "residual=gated,gradient_scale=2.0"
    plain = flatten(made[full].experiment)
    expected = {
        "frozen_stack": {"training.layer_rates.stack": 0.0},
        "no_stack": {"model.n_layers": 0},
        "stack_lr_x2": {"training.layer_rates.stack": 2.0},
    }
    for control, values in expected.items():
        cell = made[f"{full},control={control}"]
        changed = {key: value for key, value in flatten(cell.experiment).items() if plain[key] != value}
        assert changed == values
        assert cell.factors == {**made[full].factors, **values}
        assert content_key(cell.experiment) == control_key(made[full].experiment, control)  # type: ignore[arg-type]
        others = [each for each in ALL if each != control]
        keys = {control_key(made[full].experiment, each) for each in others}  # type: ignore[arg-type]
        assert content_key(cell.experiment) not in keys


@pytest.mark.parametrize("design", ["full_factorial", "leave_one_out", "add_one_in", "one_at_a_time"])
def test_the_contrast_is_that_of_the_design(design: str) -> None:
    with_controls, without = grid(design=design), grid((), design=design)
    made, plain = cells(with_controls, {"": BASE}), cells(without, {"": BASE})
    assert contrast(with_controls, made) == contrast(without, plain)
    assert reference(with_controls, made) == reference(without, plain)


def test_a_rate_that_is_there_already_is_doubled() -> None:
    base = with_values(BASE, {"training.layer_rates.stack": 0.5})
    made = {cell.id: cell for cell in cells(grid(("stack_lr_x2",)), {"": base})}
    cell = made["residual=none,gradient_scale=1.0,control=stack_lr_x2"]
    assert cell.experiment.training.layer_rates.stack == 1.0


def test_a_control_that_is_a_cell_already_is_not_trained_twice() -> None:
    factors = {"model.n_layers": (8, 0), "improvements.mlp_head": (False, True)}
    with pytest.raises(SpecError, match=r"analysis.controls: cell 'n_layers=0,mlp_head=true' has no blocks"):
        cells(grid(("no_stack",), factors=factors), {"": BASE})
    factors = {"training.layer_rates.stack": (1.0, 0.0), "improvements.mlp_head": (False, True)}
    made = cells(grid(("frozen_stack",), factors=factors), {"": BASE})
    assert [cell.id for cell in made if is_control(cell.id)] == []
    keys = [trial.key for trial in expand(grid(("frozen_stack",), factors=factors), BASE, "0" * 32)]
    assert len(set(keys)) == len(keys)


def test_named_cells_have_controls_too() -> None:
    full = with_values(replace_name(BASE, "full"), {"improvements.residual": "gated"})
    of = Grid(
        name="g", design="named", cells={"a": "a.yaml", "b": "b.yaml"},
        analysis=Analysis(controls=("frozen_stack",)),
    )  # fmt: skip
    made = cells(of, {"a": BASE, "b": full})
    assert [cell.id for cell in made] == ["a", "b", "a,control=frozen_stack", "b,control=frozen_stack"]
    assert contrast(of, made)[0].id == "b"


def replace_name(experiment: Experiment, name: str) -> Experiment:
    return experiment.model_copy(update={"name": name})
