"""A grid's factors checked against the experiment they vary, each fault at the line of its level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ablab.errors import Problem
from ablab.spec.check import Fault, check
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.overlay import meet_kinds, nested, overlay
from ablab.spec.overrides import SOURCE
from ablab.spec.reader import Mark, Tree
from ablab.spec.shape import blocks, keys, nearest

DATA_KEYS = (
    "dataset.kind",
    "dataset.path",
    "dataset.subjects",
    "dataset.n_subjects",
    "dataset.minutes",
    "dataset.n_chans",
    "dataset.seed",
)
"""Keys that choose the data. Cells are compared on the same recordings, so these are the same in all."""
_SAME_DATA = "cells are compared on the same data"
SCORING_KEYS = ("evaluation.segment_seconds",)
"""Keys that choose how a prediction is scored: r over short segments is another measure than over long."""
_SAME_SCORE = "cells are compared by the same score"

Levels = dict[str, tuple[Level, ...]]


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
    for key, entry in factors.value.items():
        reason = _unusable(key)
        if reason:
            problems.append(_problem(entry.mark, key, reason))
        elif isinstance(entry.value, tuple):
            values = [_level(key, level, base, tuple(factors.value), problems) for level in entry.value]
            levels[key] = tuple(values)
            problems += _repeated(key, entry.value, values)
    return levels, tuple(problems)


def check_overridden_factors(grid: Tree, layer: Tree) -> tuple[Problem, ...]:
    """Overrides of keys that are factors: the levels would overwrite them without a word."""
    factors = grid.get("factors")
    names = factors.value if factors is not None and isinstance(factors.value, dict) else {}
    reason = "is a factor of this grid, whose levels would overwrite the value; use --set grid.factors."
    return tuple(
        Problem(SOURCE, None, key, f"{reason}{key}=[...]") for key, _ in layer.leaves() if key in names
    )


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
        for measure, names, why in (("data", DATA_KEYS, _SAME_DATA), ("segments", SCORING_KEYS, _SAME_SCORE)):
            differing = [key for key in names if values.get(key) != wanted.get(key)]
            if differing:
                reason = f"its {measure} differ from those of '{first}' ({', '.join(differing)}); {why}"
                problems.append(Problem(entry.mark.source, entry.mark.line, f"cells.{name}", reason))
    return tuple(problems)


def _unusable(key: str) -> str | None:
    known = keys(Experiment)
    if key in DATA_KEYS:
        return f"cannot be a factor: {_SAME_DATA}"
    if key in SCORING_KEYS:
        return f"cannot be a factor: {_SAME_SCORE}"
    if key in NOT_IDENTITY:
        return "cannot be a factor: it changes nothing in what is trained"
    if key in known:
        return None
    if key in blocks(Experiment):
        example = next(each for each in known if each.startswith(f"{key}."))
        return f"is a block of keys; name one of them, such as '{example}'"
    short = {each.rpartition(".")[2]: each for each in known}
    last = key.rpartition(".")[2]
    near = short.get(last) or nearest(key, known) or short.get(nearest(last, short) or "")
    return "unknown key of the experiment" + (f" (did you mean '{near}'?)" if near else "")


def _level(
    key: str, level: Tree, base: Tree | None, factors: tuple[str, ...], problems: list[Problem]
) -> Level:
    """The level as the field holds it; faults in it go to ``problems``."""
    plain: Any = level.plain()
    if isinstance(level.value, dict):
        problems.append(_problem(level.mark, key, "a level must be a value, not a mapping"))
        return None
    start = base or Tree({"name": Tree("grid", level.mark)}, level.mark)
    joined, _ = overlay(start, nested(key, level, level.mark), Experiment)
    experiment, faults = check(joined, Experiment)
    if experiment is not None:
        return flatten(experiment)[key]
    problems += _own(faults, key, level.mark, factors, base is not None)
    return plain if not isinstance(plain, list) else tuple(plain)


def _own(
    faults: tuple[Fault, ...], key: str, mark: Mark, factors: tuple[str, ...], has_base: bool
) -> Iterator[Problem]:
    """Faults that this level has by itself, whatever levels other factors take beside it."""
    block = key.rpartition(".")[0]
    for fault in faults:
        at = fault.problem.key
        # A check of several keys names one in its place and the others in its text.
        names = [at.rpartition(".")[2], *fault.problem.reason.split()]
        beside = [each for each in factors if each != key and each.rpartition(".")[2] in names]
        settled = {
            "itself": at == key or at.startswith(f"{key}["),
            "kind": has_base and at == key and f"{block}.kind" not in factors,
            "others": has_base and at.rpartition(".")[0] == block and not beside,
        }
        if settled[fault.hangs_on]:
            yield _problem(mark, key, fault.problem.reason)


def _repeated(key: str, entries: tuple[Tree, ...], values: list[Level]) -> Iterator[Problem]:
    """Levels that differ as written (2 and 2.0) and are the same to the field."""
    written = [repr(entry.plain()) for entry in entries]
    for index, value in enumerate(values):
        if value in values[:index] and written[index] not in written[:index]:
            yield _problem(entries[index].mark, key, f"names the level {value!r} twice")


def _problem(mark: Mark, key: str, reason: str) -> Problem:
    prefix = "grid.factors" if mark.source == SOURCE else "factors"
    return Problem(mark.source, mark.line, f"{prefix}.{key}", reason)
