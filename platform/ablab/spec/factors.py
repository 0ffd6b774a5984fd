"""A grid's factors checked against the experiment they vary, each fault at the line of its level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ablab.errors import Problem
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import flatten
from ablab.spec.levels import (
    DATA_KEYS,
    SAME_DATA,
    SAME_SCORE,
    SCORING_KEYS,
    level_of,
    problem_at,
    repeated,
    unusable,
)
from ablab.spec.overlay import meet_kinds, nested
from ablab.spec.reader import Tree

Levels = dict[str, tuple[Level, ...]]
_HERE: Final = "grid.factors"


def check_factors(grid: Tree, base: Tree | None) -> tuple[Levels, tuple[Problem, ...]]:
    """The factors' levels as the experiment's fields hold them, and every fault in them."""
    factors = grid.get("factors")
    if factors is None or not isinstance(factors.value, dict):
        return {}, ()
    problems: list[Problem] = []
    levels: Levels = {}
    for key, entry in factors.value.items():
        # Plug-ins that are levels bring keys that other factors may name.
        for level in entry.value if isinstance(entry.value, tuple) else ():
            meet_kinds(nested(key, level, level.mark), Experiment)
    names = tuple(factors.value)
    for key, entry in factors.value.items():
        reason = unusable(key, _HERE)
        if reason:
            problems.append(problem_at(entry.mark, key, reason, _HERE))
        elif isinstance(entry.value, tuple):
            values = [level_of(key, level, base, names, problems, _HERE) for level in entry.value]
            levels[key] = tuple(values)
            problems += repeated(key, entry.value, values, _HERE)
    return levels, tuple(problems)


def check_same_measure(grid: Tree, bases: Mapping[str, Experiment]) -> tuple[Problem, ...]:
    """Cells of a named design whose data, or whose scoring, differ from the first cell's."""
    if len(bases) < 2:
        return ()
    first, *others = bases
    wanted = flatten(bases[first])
    problems = []
    for name in others:
        values = flatten(bases[name])
        cells = grid.get("cells")
        entry = cells.get(name) if cells else None
        if entry is None:
            continue
        for measure, names, why in (("data", DATA_KEYS, SAME_DATA), ("segments", SCORING_KEYS, SAME_SCORE)):
            differing = [key for key in names if values.get(key) != wanted.get(key)]
            if differing:
                reason = f"its {measure} differ from those of '{first}' ({', '.join(differing)}); {why}"
                problems.append(Problem(entry.mark.source, entry.mark.line, f"cells.{name}", reason))
    return tuple(problems)
