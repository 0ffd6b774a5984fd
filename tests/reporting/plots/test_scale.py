from __future__ import annotations

import numpy as np
import pytest

from ablab.reporting.plots.scale import Scale, around


def test_values_lie_in_proportion_also_upside_down() -> None:
    y = Scale(0.0, 0.2, 300.0, 100.0)
    assert [y(value) for value in (0.0, 0.05, 0.2)] == [300.0, 250.0, 100.0]


@pytest.mark.parametrize("seed", range(20))
def test_ticks_are_round_few_and_on_the_axis(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = float(rng.normal(0, 10.0 ** rng.integers(-4, 4)))
    scale = Scale(low, low + float(rng.exponential(10.0 ** rng.integers(-4, 4))), 0.0, 1.0)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(scale.low - 1e-9 <= tick <= scale.high + 1e-9 for tick in ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert round(steps[0] / 10 ** np.floor(np.log10(steps[0] * 1.0000001)), 6) in (1, 2, 5)
    shown = [f"{tick:.{scale.digits()}f}" for tick in ticks]
    assert len(set(shown)) == len(shown)
    assert [float(text) for text in shown] == pytest.approx(ticks)


def test_a_scale_around_one_value_has_a_width() -> None:
    assert around([0.0], 0, 1).ticks()
    assert around([0.3, 0.3], 0, 1).holds(0.3)
    assert around([], 0, 1).ticks()
    assert around([float("inf"), 0.1, 0.2], 0, 1).high < 1
