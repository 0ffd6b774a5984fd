"""Placebo arms: cells in which nothing can be better, so that a verdict on them is the platform's own error.

Pure. Placebos are controls (`designs.controls.is_control`) and stand in no factorial effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ablab.designs.controls import MARK
from ablab.spec.grid import FRESH_SEEDS, Grid, Placebo
from ablab.spec.load import with_values
from ablab.spec.record import RunRecord
from ablab.spec.trial import Cell

_SHUFFLE = "dataset.shuffle_eeg"
_SHUFFLE_SEED = 0


def placebo_cells(grid: Grid, treatment: Cell, reference: Cell) -> tuple[Cell, ...]:
    """The cells of the declared placebos, in the order of the declaration.

    no_eeg: both cells, on EEG that is shuffled in time. a_a: the reference as it is, on seeds of its own.
    """
    made: list[Cell] = []
    for placebo in grid.analysis.placebos:
        if placebo == "no_eeg":
            made += (_without_eeg(cell) for cell in (reference, treatment))
        else:
            made.append(
                replace(reference, id=placebo_of(reference.id, placebo), label=f"{reference.label} · a_a")
            )
    return tuple(made)


def placebo_of(cell_id: str, placebo: Placebo) -> str:
    """Id of a cell's placebo.

    >>> placebo_of("residual=none", "a_a")
    'residual=none,control=a_a'
    """
    return f"{cell_id}{MARK}{placebo}"


def is_placebo(cell_id: str) -> bool:
    """Whether a cell is a placebo.

    >>> is_placebo("residual=none,control=no_eeg"), is_placebo("residual=none,control=no_stack")
    (True, False)
    """
    return cell_id.endswith((f"{MARK}no_eeg", f"{MARK}a_a"))


def seeds_of(cell_id: str, seeds: Iterable[int]) -> tuple[int, ...]:
    """Seeds that a cell is trained under, of a grid with ``seeds``.

    >>> seeds_of("residual=none", (0, 1)), seeds_of("residual=none,control=a_a", (0, 1))
    ((0, 1), (1000000, 1000001))
    """
    shift = FRESH_SEEDS if cell_id.endswith(f"{MARK}a_a") else 0
    return tuple(seed + shift for seed in seeds)


def as_replicates(records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """Records in which a fresh seed bears the number of the seed that it is set against.

    Which is set against which is arbitrary, as they share nothing; a paired test needs some pairing.
    """
    return tuple(
        replace(record, seed=record.seed - FRESH_SEEDS)
        if record.cell.endswith(f"{MARK}a_a") and record.seed >= FRESH_SEEDS
        else record
        for record in records
    )


def _without_eeg(cell: Cell) -> Cell:
    values = {_SHUFFLE: _SHUFFLE_SEED}
    return Cell(
        id=placebo_of(cell.id, "no_eeg"),
        label=f"{cell.label} · no_eeg",
        factors={**cell.factors, **values},
        experiment=with_values(cell.experiment, values),
    )
