from __future__ import annotations

import numpy as np
import pytest

from ablab.comparison.variance import Components, components


def test_estimates_recover_the_truth() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0, 0.03, (400, 1)) + rng.normal(0, 0.02, (1, 300)) + rng.normal(0, 0.01, (400, 300))
    found = components(d)
    assert found.sd_subject == pytest.approx(0.03, rel=0.1)
    assert found.sd_seed == pytest.approx(0.02, rel=0.1)
    assert found.sd_residual == pytest.approx(0.01, rel=0.02)


def test_a_negative_estimate_is_zero() -> None:
    d = np.array([[1.0, -1.0], [-1.0, 1.0]])  # all interaction: subject and seed means are equal
    assert components(d) == Components(0.0, 0.0, 2.0)


def test_the_limiting_source_depends_on_the_numbers_of_each() -> None:
    parts = Components(sd_subject=0.02, sd_seed=0.01, sd_residual=0.01)
    assert parts.limiting(n_subjects=8, n_seeds=5) == "subjects"
    assert parts.limiting(n_subjects=85, n_seeds=5) == "seeds"
    assert sum(parts.shares(8, 5).values()) == pytest.approx(1)


def test_nothing_varies_nothing_limits() -> None:
    assert components(np.zeros((3, 3))).limiting(3, 3) is None
