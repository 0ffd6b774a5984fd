"""Orthogonal contrasts of factors with any number of levels, as weights of cells.

A factor with k levels has k - 1 of them, each comparing the levels that follow with one level (Helmert,
reversed so that "later" counts as more): of ``[none, global, gated]`` first global and gated against none
("any residual at all"), then gated against global. An interaction is the product of one contrast of each of
two factors: how much the first contrast changes from the reference to the later levels of the second factor
(a difference of differences, in r).

Every contrast is averaged over the *backgrounds*, the combinations of the other factors' levels under which
all cells it needs are there. A full factorial has all backgrounds; leave-one-out has one (everything else
on), add-one-in and one-at-a-time have one (everything else off). So one definition serves every design, and
says on how many backgrounds it stands.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.factorial.cube import Cube
from ablab.comparison.factorial.layout import Layout
from ablab.comparison.quasi_t import LEAST_SEEDS
from ablab.designs.labels import label
from ablab.spec.experiment import Level


@dataclass(frozen=True, slots=True)
class CellContrast:
    """One contrast with one degree of freedom: weights of cells that sum to zero."""

    factors: tuple[str, ...]
    """Spec keys: one for a main effect, two for an interaction."""
    name: str
    """Such as ``gated against global``."""
    weights: dict[str, float]
    """Cell id -> weight; empty where no background has all cells."""
    n_backgrounds: int
    n_possible: int
    """Backgrounds of the full factorial."""


def helmert(n_levels: int) -> NDArray[np.float64]:
    """Rows of orthogonal contrasts, ``(n_levels - 1, n_levels)``: mean of the later levels minus one level.

    >>> helmert(3).tolist()
    [[-1.0, 0.5, 0.5], [0.0, -1.0, 1.0]]
    """
    rows = np.zeros((n_levels - 1, n_levels))
    for row in range(n_levels - 1):
        rows[row, row] = -1.0
        rows[row, row + 1 :] = 1.0 / (n_levels - row - 1)
    return rows


def main_contrasts(layout: Layout, cube: Cube, factor: int) -> tuple[CellContrast, ...]:
    """The orthogonal contrasts of one factor."""
    levels = layout.levels[layout.factors[factor]]
    return tuple(_contrast(layout, cube, (factor,), (row,)) for row in helmert(len(levels)))


def full_contrast(layout: Layout, cube: Cube, factor: int) -> CellContrast:
    """The factor's full level against its reference level; not orthogonal to the others of three levels."""
    row = np.zeros(len(layout.levels[layout.factors[factor]]))
    row[0], row[-1] = -1.0, 1.0
    return _contrast(layout, cube, (factor,), (row,))


def interaction_contrasts(layout: Layout, cube: Cube, first: int, second: int) -> tuple[CellContrast, ...]:
    """The orthogonal contrasts of the interaction of two factors."""
    sizes = (len(layout.levels[layout.factors[number]]) for number in (first, second))
    return tuple(
        _contrast(layout, cube, (first, second), rows) for rows in product(*(helmert(n) for n in sizes))
    )


def pairs(layout: Layout) -> tuple[tuple[int, int], ...]:
    """All pairs of factors, by number."""
    return tuple(combinations(range(len(layout.factors)), 2))


def _contrast(
    layout: Layout, cube: Cube, factors: tuple[int, ...], rows: tuple[NDArray[np.float64], ...]
) -> CellContrast:
    """Average over backgrounds of the product of ``rows``, one per factor."""
    wanted = {
        chosen: weight
        for chosen in product(*(range(len(row)) for row in rows))
        if (weight := math.prod(float(row[level]) for row, level in zip(rows, chosen, strict=True)))
    }
    found = [
        [(cells[chosen], weight) for chosen, weight in wanted.items()]
        for cells in layout.backgrounds(factors).values()
        if wanted.keys() <= cells.keys()
    ]
    kept = _supported(cube, found)
    weights: dict[str, float] = defaultdict(float)
    for parts in kept:
        for cell, weight in parts:
            weights[cell] += weight / len(kept)
    keys = tuple(layout.factors[number] for number in factors)
    words = [_words(key, layout.levels[key], row) for key, row in zip(keys, rows, strict=True)]
    name = words[0] if len(words) == 1 else " × ".join(f"({each})" for each in words)
    return CellContrast(keys, name, dict(weights), len(kept), layout.n_backgrounds(factors))


def _supported(
    cube: Cube, backgrounds: Sequence[list[tuple[str, float]]]
) -> Sequence[list[tuple[str, float]]]:
    """The backgrounds that together keep most: their number times the seeds that all their cells share.

    Where all cells have all seeds that is all of them. A background whose cells lack many seeds is given up
    rather than those seeds everywhere, and before fewer seeds are left than can be tested.
    """
    shared = [frozenset.intersection(*(cube.seeds_of(cell) for cell, _ in parts)) for parts in backgrounds]
    order = sorted(range(len(backgrounds)), key=lambda index: -len(shared[index]))
    common: frozenset[int] | None = None
    best, most = 0, 0
    for n, index in enumerate(order, start=1):
        common = shared[index] if common is None else common & shared[index]
        worth = n * len(common) if len(common) >= LEAST_SEEDS else 0
        if worth >= most and worth:
            best, most = n, worth
    kept = sorted(order[: best or len(order)])
    return [backgrounds[index] for index in kept]


def _words(key: str, levels: tuple[Level, ...], row: NDArray[np.float64]) -> str:
    up = ", ".join(label({key: level}) for level, weight in zip(levels, row, strict=True) if weight > 0)
    down = ", ".join(label({key: level}) for level, weight in zip(levels, row, strict=True) if weight < 0)
    return f"{up} against {down}"
