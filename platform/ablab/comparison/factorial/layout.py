"""Which cell stands at which combination of levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablab.spec.experiment import Level

Levels = Mapping[str, tuple[Level, ...]]
"""Factor (spec key) -> its levels, the reference first, the full level last."""
Place = tuple[int, ...]
"""Per factor the number of its level."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Cells by their levels; of a full factorial every place is taken, of other designs some are."""

    levels: Levels
    cells: Mapping[Place, str]
    """Place -> cell id, for the cells that have a score."""

    @property
    def factors(self) -> tuple[str, ...]:
        """Spec keys, in the order of the places."""
        return tuple(self.levels)

    @property
    def first(self) -> Place:
        """The place with every factor at its reference level."""
        return (0,) * len(self.levels)

    @property
    def last(self) -> Place:
        """The place with every factor at its full level."""
        return tuple(len(levels) - 1 for levels in self.levels.values())

    def backgrounds(self, factors: Sequence[int]) -> dict[Place, dict[Place, str]]:
        """Levels of the other factors -> levels of ``factors`` -> cell, of the cells that are there."""
        found: dict[Place, dict[Place, str]] = {}
        for place, cell in sorted(self.cells.items()):
            others = tuple(level for number, level in enumerate(place) if number not in factors)
            found.setdefault(others, {})[tuple(place[number] for number in factors)] = cell
        return found

    def n_backgrounds(self, factors: Sequence[int]) -> int:
        """How many backgrounds the full factorial has."""
        sizes = (len(levels) for number, levels in enumerate(self.levels.values()) if number not in factors)
        return math.prod(sizes)


def layout(cells: Mapping[str, Mapping[str, Level]], levels: Levels) -> Layout:
    """Arrange cells (id -> factor levels); a cell with a level that is not among ``levels`` has no place."""
    places: dict[Place, str] = {}
    for cell, factors in cells.items():
        if factors.keys() != levels.keys():
            continue
        try:
            place = tuple(levels[key].index(factors[key]) for key in levels)
        except ValueError:
            continue
        places.setdefault(place, cell)
    return Layout(levels, places)


def levels_of(
    cells: Iterable[Mapping[str, Level]], reference: Mapping[str, Level], full: Mapping[str, Level] | None
) -> dict[str, tuple[Level, ...]]:
    """Levels in order of appearance, but those of the reference first and those of the full cell last.

    Factors that do not vary are left out, for nothing can be said of them.

    >>> levels_of([{"a": 2}, {"a": 3}, {"a": 1}], {"a": 1}, {"a": 3})
    {'a': (1, 2, 3)}
    """
    seen: dict[str, list[Level]] = {key: [value] for key, value in reference.items()}
    for factors in cells:
        for key in seen.keys() & factors.keys():
            if factors[key] not in seen[key]:
                seen[key].append(factors[key])
    for key, levels in seen.items():
        last = None if full is None else full.get(key)
        if last in levels[1:]:
            levels.remove(last)
            levels.append(last)
    return {key: tuple(levels) for key, levels in seen.items() if len(levels) > 1}
