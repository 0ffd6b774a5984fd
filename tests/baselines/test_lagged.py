from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.baselines import lagged
from ablab.baselines.lagged import moments, predict, total


def _lagged(eeg: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """The matrix itself, as slow as can be: row t holds the EEG 0, 1, ... samples after t."""
    n_times, n_chans = eeg.shape
    rows = np.zeros((n_times, n_lags, n_chans))
    for time in range(n_times):
        for lag in range(n_lags):
            if time + lag < n_times:
                rows[time, lag] = eeg[time + lag]
    return rows.reshape(n_times, -1)


@pytest.mark.parametrize("n_times, n_chans, n_lags", [(60, 3, 7), (9, 2, 9), (40, 1, 1)])
def test_moments_are_those_of_the_lagged_matrix(n_times: int, n_chans: int, n_lags: int) -> None:
    rng = np.random.default_rng(0)
    eeg, envelope = rng.standard_normal((n_times, n_chans)) + 1, rng.standard_normal((n_times, 1)) + 2
    rows = _lagged(eeg, n_lags)
    found = moments(eeg, envelope, n_lags)
    np.testing.assert_allclose(found.gram(), rows.T @ rows, atol=1e-10)
    np.testing.assert_allclose(found.cross.ravel(), rows.T @ envelope[:, 0], atol=1e-10)
    np.testing.assert_allclose(found.column_sums(), rows.sum(axis=0), atol=1e-10)
    assert found.target_square == pytest.approx(float((envelope**2).sum()))
    assert found.target_sum == pytest.approx(envelope.sum()) and found.n_times == n_times


def test_moments_of_recordings_add_up() -> None:
    rng = np.random.default_rng(0)
    parts = [(rng.standard_normal((n, 2)), rng.standard_normal((n, 1))) for n in (30, 50)]
    apart = [moments(eeg, envelope, 4) for eeg, envelope in parts]
    together = total(apart)
    rows = np.concatenate([_lagged(eeg, 4) for eeg, _ in parts])
    true = np.concatenate([envelope for _, envelope in parts])
    np.testing.assert_allclose(together.gram(), rows.T @ rows, atol=1e-10)
    assert together.n_times == 80
    gram, cross, target = together.centred()
    np.testing.assert_allclose(gram, 80 * np.cov(rows.T, bias=True), atol=1e-10)
    np.testing.assert_allclose(cross, (rows - rows.mean(axis=0)).T @ true[:, 0], atol=1e-10)
    assert target == pytest.approx(80 * true.var())
    np.testing.assert_array_equal(apart[0].products, moments(*parts[0], 4).products)  # left as it was


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    eeg, envelope = rng.standard_normal((103, 3)), rng.standard_normal((103, 1))
    whole = moments(eeg, envelope, 7)
    for chunk in (1, 5, 96, 97, 103):
        monkeypatch.setattr(lagged, "_CHUNK", chunk)
        found = moments(eeg, envelope, 7)
        np.testing.assert_allclose(found.gram(), whole.gram(), atol=1e-10)
        np.testing.assert_allclose(found.cross, whole.cross, atol=1e-10)


def test_predictions_are_the_lagged_matrix_times_the_weights() -> None:
    rng = np.random.default_rng(0)
    eeg, weights, bias = rng.standard_normal((50, 3)), rng.standard_normal((12, 2)), np.array([1.0, -2.0])
    np.testing.assert_allclose(predict(eeg, weights, bias, 4), _lagged(eeg, 4) @ weights + bias, atol=1e-10)


def test_fewer_samples_than_lags_are_refused() -> None:
    with pytest.raises(ValueError, match="5 samples are fewer than the 6 lags"):
        moments(np.zeros((5, 1)), np.zeros((5, 1)), 6)
