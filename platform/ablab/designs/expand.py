"""A grid and its experiments in, cells and trials out. Pure: the same values give the same trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ablab.designs.add_one_in import add_one_in
from ablab.designs.controls import controlled, is_control
from ablab.designs.full_factorial import full_factorial
from ablab.designs.labels import cell_id, label
from ablab.designs.leave_one_out import leave_one_out
from ablab.designs.named import named_factors
from ablab.designs.one_at_a_time import one_at_a_time
from ablab.designs.placebos import placebo_cells, seeds_of
from ablab.errors import Problem, SpecError
from ablab.spec.experiment import Experiment, Level
from ablab.spec.grid import Grid
from ablab.spec.identity import content, flatten, trial_key
from ablab.spec.load import varied
from ablab.spec.shape import nearest
from ablab.spec.trial import Cell, Trial

Design = Callable[[Mapping[str, tuple[Level, ...]]], tuple[dict[str, Level], ...]]

DESIGNS: Mapping[str, Design] = {
    "full_factorial": full_factorial,
    "leave_one_out": leave_one_out,
    "add_one_in": add_one_in,
    "one_at_a_time": one_at_a_time,
}


def cells(grid: Grid, bases: Mapping[str, Experiment]) -> tuple[Cell, ...]:
    """The cells of the grid, the reference cell first, the declared controls and placebos last.

    ``bases``: '' -> the base experiment, or cell name -> experiment in a named design.
    Raises SpecError where levels do not fit one another, where two cells are the same experiment, and where
    the declared contrast is not between two of the cells.
    """
    designed = _designed(grid, bases)
    if not grid.analysis.controls and not grid.analysis.placebos:
        return designed
    there = {trial_key(cell.experiment, "", 0) for cell in designed}
    treatment, against = contrast(grid, designed)
    controls = controlled(grid, (against, treatment))
    return (
        *designed,
        *(cell for cell in controls if trial_key(cell.experiment, "", 0) not in there),
        *placebo_cells(grid, treatment, against),
    )


def _designed(grid: Grid, bases: Mapping[str, Experiment]) -> tuple[Cell, ...]:
    if grid.design == "named":
        factors = named_factors(bases)
        found = tuple(Cell(name, name, factors[name], bases[name]) for name in grid.cells)
        return _checked(grid, found)
    combinations = {cell_id(levels): levels for levels in DESIGNS[grid.design](grid.factors)}
    problems: list[Problem] = []
    made: list[Cell] = []
    change = varied(bases[""])
    for name, levels in combinations.items():
        try:
            made.append(_cell(levels, change(levels)))
        except SpecError as error:
            problems += [
                Problem(grid.name, None, each.key, f"{each.reason} (in cell {name})")
                for each in error.problems
            ]
    if problems:
        raise SpecError(problems)
    return _checked(grid, tuple(made))


def expand(
    grid: Grid,
    base: Experiment | Mapping[str, Experiment],
    data_fingerprint: str,
    *,
    study: str | None = None,
) -> tuple[Trial, ...]:
    """All trials of the grid, cell by cell and seed by seed; ``study`` is the grid's name unless given."""
    bases = {"": base} if isinstance(base, Experiment) else base
    return trials_of(cells(grid, bases), grid, data_fingerprint, grid.name if study is None else study)


def trials_of(found: Sequence[Cell], grid: Grid, data_fingerprint: str, study: str) -> tuple[Trial, ...]:
    """The trials of cells that were made already."""
    return tuple(
        Trial(trial_key(cell.experiment, data_fingerprint, seed), study, cell, seed, data_fingerprint)
        for cell in found
        for seed in seeds_of(cell.id, grid.seeds)
    )


def reference(grid: Grid, cells: Sequence[Cell]) -> Cell:
    """The cell with every factor at its first level; in a named design the first cell of the file."""
    if grid.design == "named":
        return find(grid, cells, next(iter(grid.cells)), "cells")
    return _with_levels(cells, {key: levels[0] for key, levels in grid.factors.items()}) or cells[0]


def contrast(grid: Grid, cells: Sequence[Cell]) -> tuple[Cell, Cell]:
    """The declared contrast as (treatment, reference).

    Where none is declared: the cell with every factor at its last level, or, in a design without one
    (``add_one_in``, ``one_at_a_time``, ``named``), the last cell, against the reference cell.
    """
    designed = [cell for cell in cells if not is_control(cell.id)]
    declared = grid.analysis.contrast
    if declared is not None:
        return (
            find(grid, cells, declared.treatment, "analysis.contrast.treatment"),
            find(grid, cells, declared.reference, "analysis.contrast.reference"),
        )
    first = reference(grid, cells)
    full = _with_levels(cells, {key: levels[-1] for key, levels in grid.factors.items()})
    treatment = full if full is not None and grid.design != "named" else designed[-1]
    if treatment.id == first.id:
        reason = f"has only the cell '{first.id}'; a contrast needs two"
        raise SpecError([Problem(grid.name, None, "cells", reason)])
    return treatment, first


def find(grid: Grid, cells: Sequence[Cell], name: str, key: str = "") -> Cell:
    """The cell with this id; SpecError with the nearest where there is none."""
    for cell in cells:
        if cell.id == name:
            return cell
    ids = [cell.id for cell in cells]
    near = nearest(name, ids)
    hint = f"did you mean '{near}'?" if near else f"cells: {', '.join(ids)}"
    raise SpecError([Problem(grid.name, None, key, f"no cell '{name}' ({hint})")])


def _cell(levels: Mapping[str, Level], experiment: Experiment) -> Cell:
    held = flatten(experiment)
    # Read back from the experiment: a level 2 of a float key is 2.0, in the id as in the spec.
    factors = {key: held[key] for key in levels}
    return Cell(cell_id(factors), label(factors), factors, experiment)


def _with_levels(cells: Sequence[Cell], levels: Mapping[str, Level]) -> Cell | None:
    return next((cell for cell in cells if dict(cell.factors) == dict(levels)), None)


def _checked(grid: Grid, found: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The cells, unless two are one experiment, sharing every trial, or the contrast names others."""
    seen: dict[str, str] = {}
    problems = list(_contrast_problems(grid, found))
    for cell in found:
        key = repr(content(cell.experiment))
        if key in seen:
            reason = f"is the same experiment as cell '{seen[key]}'; leave one out"
            problems.append(Problem(grid.name, None, cell.id, reason))
        seen.setdefault(key, cell.id)
    if problems:
        raise SpecError(problems)
    return found


def _contrast_problems(grid: Grid, found: Sequence[Cell]) -> Iterator[Problem]:
    declared = grid.analysis.contrast
    if declared is None:
        return
    arms = {"treatment": declared.treatment, "reference": declared.reference}
    for arm, name in arms.items():
        try:
            find(grid, found, name, f"analysis.contrast.{arm}")
        except SpecError as error:
            yield from error.problems
    if declared.treatment == declared.reference:
        reason = f"treatment and reference are the same cell, '{declared.treatment}'"
        yield Problem(grid.name, None, "analysis.contrast", reason)
