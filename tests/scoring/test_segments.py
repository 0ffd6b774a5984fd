from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from ablab.scoring.segments import segment_pearson


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.standard_normal(23)
    return target + rng.standard_normal(23), target


def test_consecutive_segments_without_the_tail(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = pair
    r = segment_pearson(prediction, target, 10)
    expected = [pearsonr(prediction[a : a + 10], target[a : a + 10]).statistic for a in (0, 10)]
    np.testing.assert_allclose(r, expected, atol=1e-14)


def test_a_short_recording_is_one_segment(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = pair
    r = segment_pearson(prediction, target, 640)
    np.testing.assert_allclose(r, [pearsonr(prediction, target).statistic], atol=1e-14)


def test_a_silent_target_has_no_score_and_a_constant_prediction_scores_zero() -> None:
    rng = np.random.default_rng(1)
    prediction, target = rng.standard_normal(40), rng.standard_normal(40)
    target[10:20] = -0.7
    prediction[20:30] = 0.1
    target[30:40], prediction[30:40] = 0.3, 0.3
    r = segment_pearson(prediction, target, 10)
    assert np.isnan(r).tolist() == [False, True, False, True]
    assert r[2] == 0.0
    assert r[0] not in (0.0, 1.0)


def test_columns_are_accepted_alike(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = pair
    flat = segment_pearson(prediction, target, 10)
    np.testing.assert_array_equal(segment_pearson(prediction[:, None], target[:, None], 10), flat)


def test_a_column_against_a_row_of_samples_is_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = pair
    with pytest.raises(ValueError, match=r"prediction \(23,\) and target \(23, 1\) differ in shape"):
        segment_pearson(prediction, target[:, None], 10)


def test_two_signals_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match=r"prediction has shape \(10, 2\); it must be \(n_times,\)"):
        segment_pearson(np.zeros((10, 2)), np.zeros((10, 2)), 5)


def test_values_that_are_not_finite_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = pair
    prediction[3] = np.nan
    with pytest.raises(ValueError, match="prediction holds 1 values that are NaN or infinite"):
        segment_pearson(prediction, target, 10)


def test_a_segment_of_one_sample_is_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="n_segment is 1; a correlation needs at least 2 samples"):
        segment_pearson(*pair, 1)
