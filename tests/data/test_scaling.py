from __future__ import annotations

import numpy as np
import pytest

from ablab.data.scaling import Scale, time_cuts


@pytest.mark.parametrize("n_times", [10, 999, 3200, 12345])
def test_cuts_are_80_10_10_and_leave_nothing_out(n_times: int) -> None:
    cuts = time_cuts(n_times)
    assert list(cuts) == ["train", "val", "test"]
    assert (cuts["train"].start, cuts["test"].stop) == (0, n_times)
    assert cuts["train"].stop == cuts["val"].start and cuts["val"].stop == cuts["test"].start
    assert cuts["train"].stop == pytest.approx(0.8 * n_times, abs=1)
    assert cuts["val"].stop == pytest.approx(0.9 * n_times, abs=1)


def test_the_scale_is_the_train_parts() -> None:
    rng = np.random.default_rng(0)
    train, other = rng.normal(5, 3, (500, 2)), rng.normal(50, 3, (100, 2))
    scale = Scale.of(train)
    np.testing.assert_allclose(scale.z_scored(train).std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(
        scale.z_scored(other), (other - train.mean(axis=0)) / train.std(axis=0), rtol=1e-5
    )
    assert scale.z_scored(other).dtype == np.float32


def test_a_constant_column_stays_constant() -> None:
    train = np.full((1000, 1), 0.1)
    assert (Scale.of(train).z_scored(train) == 0).all()
