"""Trained controls: cells beside the design that say whether a cell's stack contributes anything.

Pure. A control is its cell with one thing done to the Conformer stack; it stands in no factorial effect.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablab.errors import Problem, SpecError
from ablab.spec.experiment import Experiment, Level
from ablab.spec.grid import Control, Grid
from ablab.spec.identity import flatten, trial_key
from ablab.spec.load import with_values
from ablab.spec.trial import Cell

MARK = ",control="
"""Between a cell's id and what was made of it."""
_RATE = "training.layer_rates.stack"
_LAYERS = "model.n_layers"


def controlled(grid: Grid, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The declared controls of each of ``cells``; one that would repeat another cell is left out.

    Raises SpecError where a cell has no stack to do something to.
    """
    return tuple(control_cell(grid, cell, control) for cell in cells for control in grid.analysis.controls)


def control_cell(grid: Grid, cell: Cell, control: Control) -> Cell:
    """The cell's control, such as ``residual=gated,control=frozen_stack``."""
    values = control_values(cell.experiment, control)
    if values is None:
        reason = f"cell '{cell.id}' has no blocks ({_LAYERS}) that {control} could be made of"
        raise SpecError([Problem(grid.name, None, "analysis.controls", reason)])
    return Cell(
        id=f"{cell.id}{MARK}{control}",
        label=f"{cell.label} · {control}",
        factors={**cell.factors, **values},
        experiment=with_values(cell.experiment, values),
    )


def control_values(experiment: Experiment, control: Control) -> dict[str, Level] | None:
    """Spec keys that make the control of an experiment; None where it has no blocks.

    frozen_stack: the blocks keep their first weights, since their learning rate is zero. no_stack: front end
    and head alone. stack_lr_x2: the blocks learn at twice the rate.

    >>> control_values(Experiment(name="a"), "stack_lr_x2")
    {'training.layer_rates.stack': 2.0}
    """
    if not flatten(experiment).get(_LAYERS):
        return None
    if control == "no_stack":
        return {_LAYERS: 0}
    rate = experiment.training.layer_rates.stack
    return {_RATE: 0.0 if control == "frozen_stack" else 2 * rate}


def is_control(cell_id: str) -> bool:
    """Whether a cell is a control of another: a trained control, or a placebo (`designs.placebos`).

    >>> is_control("residual=gated,control=frozen_stack"), is_control("residual=gated")
    (True, False)
    """
    return MARK in cell_id


def content_key(experiment: Experiment) -> str:
    """What an experiment trains, whatever it is called and on whatever version of its data."""
    return trial_key(experiment, "", 0)


def control_key(experiment: Experiment, control: Control) -> str | None:
    """``content_key`` of the control of an experiment; None where it has none."""
    values = control_values(experiment, control)
    return None if values is None else content_key(with_values(experiment, values))
