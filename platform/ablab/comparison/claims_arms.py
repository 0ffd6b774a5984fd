"""Which cell of a study is the arm that a claim speaks of: by what the cell trains, whatever it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablab.comparison.figures import plural
from ablab.designs.controls import is_control
from ablab.designs.placebos import is_placebo
from ablab.spec.experiment import Level
from ablab.spec.identity import flatten
from ablab.spec.record import RunRecord


def cell_of(arm: str, levels: Mapping[str, Level], finished: Sequence[RunRecord]) -> str | tuple[str]:
    """The one cell whose spec has all of ``levels``, as a tuple of its id; or, as text, why there is none.

    A control is meant only where no cell of the design fits: it has its cell's toggles.
    """
    specs = {record.cell: flatten(record.experiment) for record in finished if not is_placebo(record.cell)}
    fitting = [
        cell
        for cell, spec in specs.items()
        if all(_same(spec.get(key), level) for key, level in levels.items())
    ]
    designed = [cell for cell in fitting if not is_control(cell)]
    found = designed or fitting
    if len(found) == 1:
        return (found[0],)
    if found:
        return f"{plural(len(found), 'cell')} of the study fit arm '{arm}' ({', '.join(found[:2])} ...)"
    return f"the study has no finished run of arm '{arm}' ({_missing(levels, specs)})"


def _missing(levels: Mapping[str, Level], specs: Mapping[str, Mapping[str, Level]]) -> str:
    """The first level that no cell has, or all of them where only their combination is missing."""
    for key, level in levels.items():
        if not any(_same(spec.get(key), level) for spec in specs.values()):
            return f"none has {key} {_text(level)}"
    return "none has all of " + ", ".join(f"{key} {_text(level)}" for key, level in levels.items())


def _same(held: Level, wanted: Level) -> bool:
    """Equality in which 2 is 2.0, and true is not 1."""
    return isinstance(held, bool) is isinstance(wanted, bool) and held == wanted


def _text(level: Level) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)
