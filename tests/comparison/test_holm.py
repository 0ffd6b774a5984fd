from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from ablab.comparison.holm import holm


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_holm_equals_statsmodels(n: int) -> None:
    p = np.random.default_rng(n).uniform(0, 0.2, n)
    assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_what_was_not_tested_costs_nothing() -> None:
    assert holm([None, 0.01, None, 0.02]) == (None, 0.02, None, 0.02)
    assert holm([]) == ()
