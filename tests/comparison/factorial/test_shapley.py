from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from tests.comparison.factorial.test_contrasts import arranged
from tests.comparison.made_up import additive, all_cells, table, together_only
from tests.comparison.study import cell_id

from ablab.comparison.factorial.shapley import Shapley, shapley, weights
from ablab.spec.record import RunRecord


def shares_of(records: list[RunRecord], n_draws: int = 2000) -> Shapley | str:
    return shapley(*arranged(records), alpha=0.05, scope="pooled", n_draws=n_draws)


def test_gains_are_averages_over_all_orders() -> None:
    """The definition, by brute force: switch the factors on in each of the 3! orders."""
    records = table(together_only, n_subjects=5, seeds=range(2))
    found, scores = arranged(records)
    value = {place: float(scores.scores[scores.cells[cell]].mean()) for place, cell in found.cells.items()}
    oracle = np.zeros(3)
    for order in permutations(range(3)):
        place = [0, 0, 0]
        for factor in order:
            before = value[tuple(place)]
            place[factor] = found.last[factor]
            oracle[factor] += (value[tuple(place)] - before) / 6
    gains = [each.gain.mean for each in shares_of(records).shares]
    assert gains == pytest.approx(oracle)


def test_gains_sum_to_the_total_and_shares_to_one() -> None:
    found = shares_of(table(additive))
    assert sum(each.gain.mean for each in found.shares) == pytest.approx(found.total.mean, abs=1e-15)
    assert sum(each.share for each in found.shares) == pytest.approx(1, abs=1e-12)


def test_known_shares_are_recovered() -> None:
    found = shares_of(table(additive))
    truth = {"residual": 0.03 / 0.025, "mlp_head": -0.005 / 0.025, "gradient_scale": 0.0}
    for each in found.shares:
        assert each.share_low < truth[each.name] < each.share_high
        assert each.gain_low < each.gain.mean < each.gain_high


def test_a_pure_interaction_is_shared_equally() -> None:
    found = shares_of(table(together_only))
    by_name = {each.name: each for each in found.shares}
    for name in ("residual", "mlp_head"):
        assert by_name[name].share_low < 0.5 < by_name[name].share_high
    assert by_name["gradient_scale"].share_low < 0 < by_name["gradient_scale"].share_high


def test_the_weights_of_a_factor_take_its_own_gain_only() -> None:
    found, _ = arranged(table(additive, n_subjects=2, seeds=[0]))
    of_factor = weights(found)
    for each in of_factor:
        assert sum(each.values()) == pytest.approx(0)
        assert len(each) == 8
    together = {cell: sum(each[cell] for each in of_factor) for cell in of_factor[0]}
    first, last = cell_id(all_cells()[0]), cell_id(all_cells()[-1])
    assert together[first] == pytest.approx(-1)
    assert together[last] == pytest.approx(1)
    assert sum(abs(weight) for cell, weight in together.items() if cell not in (first, last)) < 1e-12


def test_a_total_that_may_be_zero_has_gains_and_no_shares() -> None:
    found = shares_of(table(lambda _: 0.0))
    assert all(each.share is None for each in found.shares)
    assert all(each.gain.ci_low is not None for each in found.shares)
    assert found.without_shares == "shares of a total gain that may be zero are not defined"


def test_a_missing_corner_is_named() -> None:
    assert shares_of(table(additive, all_cells()[1:])) == (
        "no Shapley shares: 1 of the 8 cells with every factor off or full have no score"
    )


def test_the_same_seed_gives_the_same_draws() -> None:
    records = table(additive)
    assert shares_of(records) == shares_of(records)
