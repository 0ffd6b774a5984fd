from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from ablab.scoring.pearson import pearson, unit


def signals(seed: int, shape: tuple[int, ...] = (200,)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.standard_normal(shape)
    return 0.3 * target + rng.standard_normal(shape), target


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy(seed: int) -> None:
    prediction, target = signals(seed)
    assert float(pearson(prediction, target)) == pytest.approx(
        pearsonr(prediction, target).statistic, abs=1e-14
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-7, 1.0, 1e7, 1e30, 1e200])
def test_does_not_depend_on_scale(scale: float) -> None:
    prediction, target = signals(0)
    expected = float(pearson(prediction, target))
    assert float(pearson(scale * prediction, target)) == pytest.approx(expected, abs=1e-12)
    assert float(pearson(prediction, scale * target)) == pytest.approx(expected, abs=1e-12)


def test_does_not_depend_on_offset() -> None:
    prediction, target = signals(1)
    expected = float(pearson(prediction, target))
    assert float(pearson(prediction + 1e3, target - 5e2)) == pytest.approx(expected, abs=1e-12)


def test_a_signal_with_itself_and_its_negative() -> None:
    signal, _ = signals(2)
    assert float(pearson(signal, signal)) == pytest.approx(1.0, abs=1e-15)
    assert float(pearson(signal, -signal)) == pytest.approx(-1.0, abs=1e-15)
    assert float(pearson(signal, signal)) <= 1.0


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e9])
def test_a_constant_side_has_no_correlation(value: float) -> None:
    # The mean of 0.1 repeated is not 0.1 in floating point; the residue must not pass for a signal.
    constant, signal = np.full(641, value), signals(3, (641,))[0]
    assert np.isnan(pearson(constant, signal))
    assert np.isnan(pearson(signal, constant))
    assert np.isnan(pearson(constant, constant))


def test_works_along_any_axis_and_in_float64() -> None:
    prediction, target = signals(4, (3, 50, 2))
    r = pearson(prediction.astype(np.float32), target.astype(np.float32), axis=1)
    assert r.shape == (3, 2)
    assert r.dtype == np.float64
    expected = pearsonr(prediction[1, :, 1].astype(np.float32), target[1, :, 1].astype(np.float32)).statistic
    assert r[1, 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("left", "right"), [((10,), (10, 1)), ((10,), (9,)), ((1, 10), (2, 10))])
def test_shapes_that_differ_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"differ in shape; give both the same, such as \(n_times,\)"):
        pearson(np.zeros(left), np.zeros(right))


def test_a_single_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 2 samples"):
        pearson(np.ones(1), np.ones(1))


def test_unit_signals_have_no_mean_and_length_one() -> None:
    values = unit(signals(5, (4, 64))[0] + 7)
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(np.square(values).sum(axis=1), 1, rtol=1e-14)
