"""A search's space: spec keys with a range or a list each, checked against the base experiment.

Both bounds of a range, and every value of a list, are checked as levels of their key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from ablab.errors import Problem
from ablab.spec.experiment import Experiment, Level
from ablab.spec.levels import level_of, problem_at, repeated, unusable
from ablab.spec.overlay import meet_kinds, nested
from ablab.spec.reader import Tree
from ablab.spec.reasons import describe
from ablab.spec.search import EveryPoint, Search
from ablab.spec.shape import nearest

_HERE: Final = "search.space"
_RANGE_KEYS = ("low", "high", "log", "step")
_ROUNDING = 1e-9
"""Relative; by so much a bound may miss its step."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    whole: bool
    """Whether the key holds whole numbers."""
    log: bool = False
    """Drawn evenly on a logarithmic scale."""
    step: float | None = None

    @property
    def levels(self) -> tuple[float, ...] | None:
        """All numbers of it; None where there is no end of them."""
        step = self.step if self.step is not None else 1 if self.whole and not self.log else None
        if step is None:
            return None
        numbers = [self.low + n * step for n in range(round((self.high - self.low) / step) + 1)]
        return tuple(round(number) if self.whole else number for number in numbers)

    def holds(self, level: Level) -> bool:
        """Whether the value can be drawn."""
        if isinstance(level, bool) or not isinstance(level, int | float):
            return False
        levels = self.levels
        if levels is not None:
            return any(math.isclose(level, each, rel_tol=_ROUNDING) for each in levels)
        return self.low <= level <= self.high


@dataclass(frozen=True, slots=True)
class Choices:
    """Values without an order."""

    levels: tuple[Level, ...]

    def holds(self, level: Level) -> bool:
        """Whether the value can be drawn."""
        return level in self.levels


Axis = Range | Choices
Space = Mapping[str, Axis]


def check_space(search: Tree, base: Tree | None) -> tuple[dict[str, Axis], tuple[Problem, ...]]:
    """The axes of the space as the experiment's fields hold them, and every fault in them."""
    space = search.get("space")
    if space is None or not isinstance(space.value, dict):
        return {}, ()
    for key, entry in space.value.items():
        for level in entry.value if isinstance(entry.value, tuple) else ():
            meet_kinds(nested(key, level, level.mark), Experiment)
    names = tuple(space.value)
    problems: list[Problem] = []
    axes: dict[str, Axis] = {}
    for key, entry in space.value.items():
        reason = unusable(key, _HERE)
        if reason:
            problems.append(problem_at(entry.mark, key, reason, _HERE))
            continue
        found: list[Problem] = []
        axis: Axis | None = None
        if isinstance(entry.value, tuple):
            axis = _choices(key, entry, base, names, found)
        elif isinstance(entry.value, dict):
            axis = _range(key, entry, base, names, found)
        else:
            reason = f"must be {{low, high}} or a list of values, not {describe(entry.plain())}"
            found.append(problem_at(entry.mark, key, reason, _HERE))
        problems += found
        if axis is not None and not found:
            axes[key] = axis
    return axes, tuple(problems)


def n_points(search: Search, space: Space) -> int:
    """How many points the search is to try."""
    if isinstance(search.sampler, EveryPoint):
        return math.prod(len(axis.levels or ()) for axis in space.values())
    return search.trials


def check_countable(tree: Tree, search: Search, space: Space) -> tuple[Problem, ...]:
    """What keeps a search over every point from having an end, or from keeping to its number of trials."""
    entries, sampler = tree.get("space"), tree.at("sampler.kind")
    assert entries is not None and isinstance(entries.value, dict)
    if sampler is None or not isinstance(search.sampler, EveryPoint):
        return ()
    endless = [key for key, axis in space.items() if axis.levels is None]
    reason = "sampler 'grid' tries every value: give a step, or a list"
    if endless:
        return tuple(problem_at(entries.value[key].mark, key, reason, _HERE) for key in endless)
    n = n_points(search, space)
    if n <= search.trials:
        return ()
    mark = sampler.mark
    text = f"the space has {n} points, and trials is {search.trials}; give as many, or fewer values"
    return (Problem(mark.source, mark.line, "sampler.kind", text),)


def _choices(
    key: str, entry: Tree, base: Tree | None, names: tuple[str, ...], problems: list[Problem]
) -> Choices:
    assert isinstance(entry.value, tuple)
    levels = tuple(level_of(key, level, base, names, problems, _HERE) for level in entry.value)
    if len(levels) < 2:
        problems.append(problem_at(entry.mark, key, "needs at least two values", _HERE))
    problems += repeated(key, entry.value, levels, _HERE)
    return Choices(levels)


def _range(
    key: str, entry: Tree, base: Tree | None, names: tuple[str, ...], problems: list[Problem]
) -> Range | None:
    assert isinstance(entry.value, dict)
    for name, part in entry.value.items():
        if name not in _RANGE_KEYS:
            near = nearest(name, _RANGE_KEYS)
            hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(_RANGE_KEYS)}"
            problems.append(problem_at(part.mark, f"{key}.{name}", f"unknown key ({hint})", _HERE))
    missing = [name for name in ("low", "high") if name not in entry.value]
    if missing:
        problems.append(problem_at(entry.mark, key, f"needs {' and '.join(missing)}", _HERE))
    log, step = _log(key, entry, problems), _step(key, entry, problems)
    if problems:
        return None
    low, high = (level_of(key, entry.value[name], base, names, problems, _HERE) for name in ("low", "high"))
    if problems:
        return None
    if not _is_number(low) or not _is_number(high):
        problems.append(problem_at(entry.mark, key, "does not hold a number; give a list of values", _HERE))
        return None
    found = Range(low, high, isinstance(low, int) and isinstance(high, int), log, step)
    problems += [problem_at(entry.mark, key, reason, _HERE) for reason in _inconsistent(found)]
    return found


def _inconsistent(found: Range) -> list[str]:
    if found.low >= found.high:
        return [f"low {found.low:g} is not below high {found.high:g}"]
    if found.log and found.step is not None:
        return ["takes log or a step, not both"]
    if found.log and found.low <= 0:
        return ["log needs a low above 0"]
    if found.step is not None and found.whole and found.step != round(found.step):
        return ["holds whole numbers, so its step must be one"]
    if found.step is not None:
        steps = (found.high - found.low) / found.step
        if abs(steps - round(steps)) > _ROUNDING * max(1.0, steps):
            return [
                f"high {found.high:g} is no whole number of steps of {found.step:g} above low {found.low:g}"
            ]
    return []


def _log(key: str, entry: Tree, problems: list[Problem]) -> bool:
    part = entry.get("log")
    if part is None:
        return False
    if not isinstance(part.value, bool):
        reason = f"must be a boolean (true or false), not {describe(part.plain())}"
        problems.append(problem_at(part.mark, f"{key}.log", reason, _HERE))
        return False
    return part.value


def _step(key: str, entry: Tree, problems: list[Problem]) -> float | None:
    part = entry.get("step")
    if part is None or part.value is None:
        return None
    value = part.value
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        reason = f"must be a number above 0, not {describe(part.plain())}"
        problems.append(problem_at(part.mark, f"{key}.step", reason, _HERE))
        return None
    return value


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
