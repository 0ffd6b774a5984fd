from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from ablab.comparison.quasi_t import crossed_quasi_t, mean_squares
from ablab.comparison.reml import mixed_model


def matrix(n_subjects: int, n_seeds: int, sd: tuple[float, float, float], rng_seed: int) -> np.ndarray:
    rng = np.random.default_rng(rng_seed)
    return np.asarray(
        0.01
        + rng.normal(0, sd[0], (n_subjects, 1))
        + rng.normal(0, sd[1], (1, n_seeds))
        + rng.normal(0, sd[2], (n_subjects, n_seeds))
    )


def statsmodels_fit(d: np.ndarray):
    from statsmodels.regression.mixed_linear_model import MixedLM

    subject, seed = np.indices(d.shape)
    # In units near one, where its optimiser works.
    frame = pd.DataFrame(
        {"d": 100 * d.ravel(), "subject": subject.ravel(), "seed": seed.ravel(), "all": np.ones(d.size)}
    )
    crossed = {"subject": "0 + C(subject)", "seed": "0 + C(seed)"}
    model = MixedLM.from_formula("d ~ 1", frame, groups="all", vc_formula=crossed, re_formula="0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls estimates on the boundary suspicious, which they are
        return model.fit(reml=True, method=["bfgs", "nm"])


def test_it_is_statsmodels_mixed_model_with_crossed_effects() -> None:
    d = matrix(8, 5, (0.012, 0.01, 0.008), 1)
    ours, theirs = mixed_model(d), statsmodels_fit(d)
    by_seed, by_subject = theirs.vcomp  # in alphabetical order
    assert ours.mean == pytest.approx(theirs.fe_params.iloc[0] / 100)
    assert ours.sd_subject == pytest.approx(by_subject**0.5 / 100, rel=2e-3)
    assert ours.sd_seed == pytest.approx(by_seed**0.5 / 100, rel=2e-3)
    assert ours.sd_residual == pytest.approx(theirs.scale**0.5 / 100, rel=2e-3)
    assert ours.standard_error == pytest.approx(theirs.bse_fe.iloc[0] / 100, rel=2e-3)
    assert ours.p_value == pytest.approx(theirs.pvalues.iloc[0], rel=5e-2)


def test_a_component_on_the_boundary_is_statsmodels_too() -> None:
    d = matrix(9, 6, (0.01, 0.0, 0.01), 5)
    d = d - 0.9 * (d.mean(axis=0, keepdims=True) - d.mean())  # seeds more alike than the residual allows
    assert mean_squares(d).seed < mean_squares(d).residual
    ours, theirs = mixed_model(d), statsmodels_fit(d)
    assert ours.sd_seed == 0
    assert ours.sd_subject == pytest.approx(theirs.vcomp[1] ** 0.5 / 100, rel=5e-3)
    assert ours.sd_residual == pytest.approx(theirs.scale**0.5 / 100, rel=5e-3)
    assert ours.standard_error == pytest.approx(theirs.bse_fe.iloc[0] / 100, rel=5e-3)


def test_inside_the_boundary_it_is_the_analysis_of_variance() -> None:
    """Expected mean squares, worked by hand on the case of the quasi-t: 8, 24 and 2."""
    found = mixed_model(np.array([[0.0, 2.0], [1.0, 5.0], [2.0, 8.0]]))
    assert found.sd_subject**2 == pytest.approx((8 - 2) / 2)
    assert found.sd_seed**2 == pytest.approx((24 - 2) / 3)
    assert found.sd_residual**2 == pytest.approx(2)
    assert found.standard_error**2 == pytest.approx((8 + 24 - 2) / 6)


def test_the_standard_error_is_the_quasi_ts_where_nothing_is_floored() -> None:
    d = matrix(20, 8, (0.02, 0.02, 0.01), 2)
    primary = crossed_quasi_t(d)
    assert not primary.floored
    assert mixed_model(d).standard_error == pytest.approx(float(primary.standard_error))


def test_no_variance_no_p() -> None:
    found = mixed_model(np.full((3, 4), 0.25))
    assert (found.p_value, found.ci_low, found.ci_high) == (None, 0.25, 0.25)
