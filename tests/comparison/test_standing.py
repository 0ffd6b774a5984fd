"""What stands first in every report: whether the decoder beats chance and the linear model."""

from __future__ import annotations

import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, two_arms

from ablab.comparison import verdicts
from ablab.comparison.compare import compare
from ablab.comparison.standing import shortfall, standing
from ablab.comparison.values import Comparison

EFFECT = np.full((8, 5), 0.02) + np.random.default_rng(0).normal(0, 1e-3, (8, 5))


def study(**options: object) -> Comparison:
    """Two cells with test r of some .19 and .21; chance is .02."""
    return compare(two_arms(EFFECT), study="s", reference=ORIGINAL, treatment=FULL, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chance", "ridge", "text"),
    [
        (0.05, 0.1, "x beats chance (.0500) and the ridge (.1000): test r .1200."),
        (0.05, 0.144, "x DOES NOT BEAT the ridge (.1440): test r .1200; above chance (.0500)."),
        (0.13, 0.144, "x DOES NOT BEAT chance (.1300) or the ridge (.1440): test r .1200."),
        (0.13, None, "x DOES NOT BEAT chance (.1300): test r .1200; ridge not known."),
        (0.12, 0.1, "x DOES NOT BEAT chance (.1200): test r .1200; above the ridge (.1000)."),
        (None, None, "x: test r .1200; chance and ridge not known."),
    ],
)
def test_a_run_against_what_it_has_to_beat(chance: float | None, ridge: float | None, text: str) -> None:
    assert standing("x", 0.12, chance=chance, ridge=ridge) == text


def test_a_report_opens_with_the_ridge_where_no_cell_beats_it() -> None:
    found = study(floor=0.9)
    opening = shortfall(found)
    assert opening.startswith(
        "The best of 2 cells, gated·mlp·gs2, DOES NOT BEAT the ridge (.9000): test r .2"
    )
    assert opening.endswith("; above chance (.0200).")
    assert verdicts.headline(found).startswith(f"{opening} test/pearson, 8 subjects x 5 seeds")


def test_it_does_not_where_one_cell_beats_it() -> None:
    low, high = sorted(row.own.mean or 0 for row in study().rows)
    between = study(floor=(low + high) / 2)
    assert shortfall(between) == ""
    assert verdicts.headline(between).startswith("test/pearson")


def test_it_does_not_where_the_ridge_is_unknown_or_the_metric_another() -> None:
    assert shortfall(study(floor=None)) == ""
    assert shortfall(study(floor=0.9, metric="validation/pearson")) == ""
