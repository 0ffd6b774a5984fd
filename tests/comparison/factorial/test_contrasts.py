from __future__ import annotations

import numpy as np
import pytest
from tests.comparison.made_up import LEVELS, additive, all_cells, table
from tests.comparison.study import cell_id

from ablab.comparison.factorial.contrasts import (
    full_contrast,
    helmert,
    interaction_contrasts,
    main_contrasts,
    pairs,
)
from ablab.comparison.factorial.cube import Cube, cube
from ablab.comparison.factorial.layout import Layout, layout, levels_of
from ablab.comparison.table import matrices, tidy
from ablab.spec.record import RunRecord


def arranged(records: list[RunRecord]) -> tuple[Layout, Cube]:
    factors = {record.cell: record.factors for record in records}
    return layout(factors, LEVELS), cube(matrices(tidy(records, "test/pearson"), factors))


@pytest.mark.parametrize("n_levels", [2, 3, 5])
def test_contrasts_of_a_factor_are_orthogonal_and_sum_to_zero(n_levels: int) -> None:
    rows = helmert(n_levels)
    assert rows.shape == (n_levels - 1, n_levels)
    assert rows.sum(axis=1) == pytest.approx(0)
    products = rows @ rows.T
    assert products - np.diag(np.diag(products)) == pytest.approx(0)
    assert np.clip(rows, 0, None).sum(axis=1) == pytest.approx(1)  # so that it reads in r


def test_all_contrasts_of_a_full_factorial_are_orthogonal() -> None:
    found, scores = arranged(table(additive, n_subjects=3, seeds=range(2)))
    contrasts = [each for factor in range(3) for each in main_contrasts(found, scores, factor)]
    contrasts += [each for pair in pairs(found) for each in interaction_contrasts(found, scores, *pair)]
    assert len(contrasts) == (2 + 1 + 1) + (2 + 2 + 1)
    rows = np.array([[each.weights.get(cell, 0.0) for cell in scores.cells] for each in contrasts])
    products = rows @ rows.T
    assert products - np.diag(np.diag(products)) == pytest.approx(0)
    assert all(each.n_backgrounds == each.n_possible for each in contrasts)


def test_weights_of_a_main_effect_by_hand() -> None:
    found, scores = arranged(table(additive, n_subjects=3, seeds=range(2)))
    first, second = main_contrasts(found, scores, 0)
    assert (first.name, second.name) == ("global, gated against none", "gated against global")
    by_residual = {
        "none": -1 / 4, "global": 1 / 8, "gated": 1 / 8,
    }  # fmt: skip
    assert first.weights == pytest.approx({cell_id(c): by_residual[c.residual] for c in all_cells()})
    assert set(second.weights) == {cell_id(c) for c in all_cells() if c.residual != "none"}
    full = full_contrast(found, scores, 0)
    assert full.name == "gated against none"
    assert full.weights[cell_id(all_cells()[0])] == pytest.approx(-1 / 4)


def test_an_interaction_is_a_difference_of_differences() -> None:
    found, scores = arranged(table(additive, n_subjects=3, seeds=range(2)))
    (contrast,) = interaction_contrasts(found, scores, 1, 2)
    assert contrast.name == "(mlp against linear) × (gs2 against gs1)"
    signs = {
        cell_id(c): (1 if c.mlp_head else -1) * (1 if c.gradient_scale == 2 else -1) / 3 for c in all_cells()
    }
    assert contrast.weights == pytest.approx(signs)


def test_backgrounds_without_all_cells_are_left_out() -> None:
    cells = [c for c in all_cells() if not (c.residual == "gated" and c.mlp_head and c.gradient_scale == 2.0)]
    found, scores = arranged(table(additive, cells, n_subjects=3, seeds=range(2)))
    by_residual = main_contrasts(found, scores, 0)
    assert [(each.n_backgrounds, each.n_possible) for each in by_residual] == [(3, 4), (3, 4)]
    (by_head,) = main_contrasts(found, scores, 1)
    assert (by_head.n_backgrounds, by_head.n_possible) == (5, 6)
    assert sum(by_head.weights.values()) == pytest.approx(0)


def test_a_cell_with_few_seeds_costs_its_background_rather_than_the_seeds_of_all() -> None:
    lost = cell_id(all_cells()[0])
    records = [r for r in table(additive, n_subjects=3) if r.cell != lost or r.seed < 2]
    found, scores = arranged(records)
    (by_head,) = main_contrasts(found, scores, 1)
    assert by_head.n_backgrounds == 5
    assert len(scores.combine(by_head.weights).seeds) == 6


def test_one_lost_seed_costs_that_seed_rather_than_a_background() -> None:
    lost = cell_id(all_cells()[0])
    records = [r for r in table(additive, n_subjects=3) if r.cell != lost or r.seed != 3]
    found, scores = arranged(records)
    (by_head,) = main_contrasts(found, scores, 1)
    assert by_head.n_backgrounds == 6
    assert scores.combine(by_head.weights).seeds == (0, 1, 2, 4, 5)


def test_a_subject_that_one_cell_lacks_is_left_out_of_its_contrasts_only() -> None:
    from dataclasses import replace

    records = table(additive, n_subjects=4)
    cell = records[0].cell
    records = [replace(r, subjects=r.subjects[1:]) if r.cell == cell else r for r in records]
    found, scores = arranged(records)
    first, second = main_contrasts(found, scores, 0)
    assert len(scores.combine(first.weights).subjects) == 3
    assert len(scores.combine(second.weights).subjects) == 4


def test_levels_are_in_order_of_appearance_the_reference_first_the_full_level_last() -> None:
    cells = [{"a": "gated", "b": 1}, {"a": "none", "b": 1}, {"a": "global", "b": 1}]
    assert levels_of(cells, cells[1], cells[0]) == {"a": ("none", "global", "gated")}
    assert levels_of(cells, cells[1], None) == {"a": ("none", "gated", "global")}


def test_backgrounds_are_given_up_before_fewer_seeds_are_left_than_can_be_tested() -> None:
    records = [
        record
        for record in table(additive, seeds=range(3))
        if record.seed < 2 or record.factors["improvements.mlp_head"] is True
    ]
    grid, scores = arranged(records)
    contrast = full_contrast(grid, scores, 2)  # six backgrounds share two seeds, three of them all three
    assert contrast.n_backgrounds == 3
    assert len(scores.combine(contrast.weights).seeds) == 3
