from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.factorial.test_contrasts import arranged
from tests.comparison.made_up import LEVELS, additive, all_cells, table, together_only
from tests.comparison.study import cell_id, run

from ablab.comparison.factorial.cube import cube
from ablab.comparison.factorial.effects import Factorial, factorial
from ablab.comparison.factorial.layout import layout
from ablab.comparison.quasi_t import crossed_quasi_t
from ablab.comparison.table import matrices, tidy
from ablab.designs.add_one_in import add_one_in
from ablab.designs.leave_one_out import leave_one_out
from ablab.designs.one_at_a_time import one_at_a_time
from ablab.spec.experiment import Improvements
from ablab.spec.record import RunRecord


def effects_of(records: list[RunRecord]) -> Factorial:
    return factorial(*arranged(records), alpha=0.05, sesoi=0.01, scope="pooled")


def of_design(design, truth, **more) -> list[RunRecord]:
    cells = [
        Improvements(**{key.removeprefix("improvements."): level for key, level in levels.items()})
        for levels in design(LEVELS)
    ]
    return table(truth, cells, **more)


def test_known_effects_are_recovered_and_none_is_invented() -> None:
    found = effects_of(table(additive))
    contrasts = {each.name: each.effect.test for effect in found.main for each in effect.contrasts}
    truth = {
        "global, gated against none": 0.025,
        "gated against global": 0.01,
        "mlp against linear": -0.005,
        "gs2 against gs1": 0.0,
    }
    assert contrasts.keys() == truth.keys()
    for name, value in truth.items():
        test = contrasts[name]
        assert test.ci_low < value < test.ci_high
        assert test.name == "crossed quasi-t"
    assert contrasts["global, gated against none"].p_value < 0.001
    by_name = {effect.name: effect for effect in found.main}
    assert by_name["residual"].full.effect.test.mean == pytest.approx(0.03, abs=0.004)
    assert by_name["residual"].omnibus_p < 0.01
    assert all(effect.omnibus_p > 0.01 for effect in found.interactions)
    assert found.unsupported == ()


def test_a_main_effect_is_the_quasi_t_of_its_subject_by_seed_matrix() -> None:
    records = table(additive, seeds=range(5))

    def arm(seed: int, mlp: bool) -> np.ndarray:
        runs = [r for r in records if r.seed == seed and r.experiment.improvements.mlp_head is mlp]
        return np.mean([[score.test for score in run.subjects] for run in runs], axis=0)

    by_seed = [arm(seed, True) - arm(seed, False) for seed in range(5)]
    expected = crossed_quasi_t(np.array(by_seed).T)
    (contrast,) = next(effect for effect in effects_of(records).main if effect.name == "mlp_head").contrasts
    assert contrast.effect.test.p_value == pytest.approx(float(expected.p_value))
    assert contrast.effect.test.ci_low == pytest.approx(float(expected.ci_low))
    assert contrast.effect.components is not None


def test_a_pure_interaction_is_found_as_one() -> None:
    found = effects_of(table(together_only))
    by_name = {effect.name: effect for effect in found.interactions}
    assert by_name["residual × mlp_head"].omnibus_p < 0.01
    assert by_name["mlp_head × gradient_scale"].omnibus_p > 0.01
    one = {each.name: each for each in found.one_factor}
    assert one["mlp_head"].interaction
    assert one["mlp_head"].added_in.test.mean == pytest.approx(0, abs=0.006)
    assert one["mlp_head"].left_out.test.mean == pytest.approx(0.03, abs=0.006)
    assert not one["gradient_scale"].interaction


def test_holm_is_over_all_contrasts_of_a_kind() -> None:
    found = effects_of(table(additive))
    contrasts = [each for effect in found.main for each in effect.contrasts]
    smallest = min(contrasts, key=lambda each: each.effect.test.p_value)
    assert smallest.holm_p == pytest.approx(4 * smallest.effect.test.p_value)


def test_leave_one_out_has_effects_in_the_presence_of_the_others() -> None:
    found = effects_of(of_design(leave_one_out, together_only))
    means = {each.name: each.contrasts[0].effect.test.mean for each in found.main if each.contrasts}
    assert means["mlp_head"] == pytest.approx(0.03, abs=0.006)
    residual = next(each for each in found.main if each.name == "residual")
    assert residual.full.effect.test.mean == pytest.approx(0.03, abs=0.006)
    assert residual.contrasts == ()  # global was never trained
    assert found.interactions == ()
    one = {each.name: each for each in found.one_factor}
    assert (one["residual"].added_in, one["residual"].difference) == (None, None)
    assert one["residual"].left_out is not None
    assert any("residual × mlp_head" in text for text in found.unsupported)
    assert any("averaged over 1 of 6 combinations" in text for text in found.unsupported)


def test_add_one_in_and_one_at_a_time_have_effects_alone() -> None:
    for design in (add_one_in, one_at_a_time):
        found = effects_of(of_design(design, together_only))
        one = {each.name: each for each in found.one_factor}
        assert one["mlp_head"].added_in.test.mean == pytest.approx(0, abs=0.006)
        assert one["mlp_head"].left_out is None
    residual = next(each for each in found.main if each.name == "residual")
    assert [each.name for each in residual.contrasts] == [
        "global, gated against none",
        "gated against global",
    ]


def test_named_cells_that_differ_in_everything_support_no_effect() -> None:
    cells = [all_cells()[0], all_cells()[-1]]
    found = effects_of(table(additive, cells))
    assert found.main == found.interactions == ()
    assert found.unsupported[0] == (
        "no effect of residual, mlp_head, gradient_scale: no two cells differ in one of them alone"
    )


def test_named_cells_that_differ_in_very_many_keys_take_no_time() -> None:
    keys = [f"training.k{n}" for n in range(60)]
    records = [
        replace(run(name, seed), factors=dict.fromkeys(keys, level))
        for level, name in enumerate(("a", "b"))
        for seed in range(3)
    ]
    factors = {record.cell: record.factors for record in records}
    placed = layout(factors, dict.fromkeys(keys, (0, 1)))
    found = factorial(
        placed, cube(matrices(tidy(records, "test/pearson"), factors)), alpha=0.05, sesoi=0.01, scope="pooled"
    )
    assert found.main == found.interactions == ()
    assert "k5 and 54 more: no two cells" in found.unsupported[0]


def test_seeds_that_one_cell_lacks_are_said() -> None:
    lost = cell_id(all_cells()[0])
    found = effects_of([r for r in table(additive) if r.cell != lost or r.seed != 3])
    assert found.unsupported == (
        "residual, mlp_head, gradient_scale, residual × mlp_head, residual × gradient_scale, "
        "mlp_head × gradient_scale: tested on 5 of 6 seeds, those that all its cells have",
    )


def test_one_seed_is_refused_and_not_called_insignificant() -> None:
    found = effects_of(table(additive, seeds=[0]))
    contrast = found.main[0].contrasts[0]
    assert contrast.effect.test.p_value is None
    assert "one seed" in contrast.effect.test.refused
    assert contrast.verdict.kind == "not tested"
    assert found.main[0].omnibus_p is None


def test_the_omnibus_keeps_its_level() -> None:
    """Of 300 tables without an effect of residual at most 8 % call it significant at 5 %."""
    rng = np.random.default_rng(3)
    contrasts = np.array([[-1, 0.5, 0.5], [0, -1, 1]])
    r = rng.normal(0, 0.01, (300, 3, 12, 1)) + rng.normal(0, 0.01, (300, 3, 1, 5))
    r = r + rng.normal(0, 0.01, (300, 3, 12, 5))
    p = crossed_quasi_t(np.einsum("cv,nvsk->ncsk", contrasts, r)).p_value
    assert (2 * p.min(axis=1) < 0.05).mean() <= 0.08
