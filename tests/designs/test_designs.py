"""Designs against their definition, written out independently."""

from __future__ import annotations

from itertools import product

import pytest

from ablab.designs.expand import DESIGNS
from ablab.spec.experiment import Level

FACTORS: dict[str, tuple[Level, ...]] = {
    "a": ("none", "global", "gated"),
    "b": (False, True),
    "c": (1.0, 1.5, 2.0, 3.0),
}


def differing(cell: dict[str, Level], other: dict[str, Level]) -> set[str]:
    return {key for key in FACTORS if cell[key] != other[key]}


REFERENCE = {key: levels[0] for key, levels in FACTORS.items()}
FULL = {key: levels[-1] for key, levels in FACTORS.items()}


@pytest.mark.parametrize("design", DESIGNS)
def test_the_reference_comes_first_and_no_cell_twice(design: str) -> None:
    cells = DESIGNS[design](FACTORS)
    assert cells[0] == REFERENCE
    assert len({tuple(cell.items()) for cell in cells}) == len(cells)
    assert all(list(cell) == list(FACTORS) for cell in cells)


def test_full_factorial_is_every_combination_the_last_factor_fastest() -> None:
    cells = DESIGNS["full_factorial"](FACTORS)
    assert {tuple(cell.values()) for cell in cells} == set(product(*FACTORS.values()))
    assert len(cells) == 24
    assert [cell["c"] for cell in cells[:5]] == [1.0, 1.5, 2.0, 3.0, 1.0]
    assert cells[-1] == FULL


def test_leave_one_out_takes_one_factor_back_at_a_time() -> None:
    reference, full, *others = DESIGNS["leave_one_out"](FACTORS)
    assert (reference, full) == (REFERENCE, FULL)
    assert [differing(cell, FULL) for cell in others] == [{"a"}, {"b"}, {"c"}]
    assert all(cell[key] == REFERENCE[key] for cell, key in zip(others, FACTORS, strict=True))


def test_add_one_in_puts_one_factor_fully_on_at_a_time() -> None:
    _, *others = DESIGNS["add_one_in"](FACTORS)
    assert [differing(cell, REFERENCE) for cell in others] == [{"a"}, {"b"}, {"c"}]
    assert all(cell[key] == FULL[key] for cell, key in zip(others, FACTORS, strict=True))


def test_one_at_a_time_is_every_level_alone() -> None:
    _, *others = DESIGNS["one_at_a_time"](FACTORS)
    assert all(len(differing(cell, REFERENCE)) == 1 for cell in others)
    assert len(others) == 2 + 1 + 3


def test_with_two_levels_each_one_at_a_time_is_add_one_in() -> None:
    factors: dict[str, tuple[Level, ...]] = {key: (levels[0], levels[-1]) for key, levels in FACTORS.items()}
    assert DESIGNS["one_at_a_time"](factors) == DESIGNS["add_one_in"](factors)
