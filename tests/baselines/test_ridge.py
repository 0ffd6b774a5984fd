"""The solver against mTRFpy, numpy.linalg.solve and the plain lagged matrix."""

from __future__ import annotations

import numpy as np
import pytest
from mtrf import TRF
from numpy.typing import NDArray
from tests.baselines.made_up import recording

from ablab.baselines import ridge
from ablab.data.corpus import Recording
from ablab.data.datasets import open_corpus
from ablab.paths import Paths
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import SplitFolder


def _mtrf(train: list[Recording], test: Recording, penalty: float) -> tuple[TRF, NDArray[np.float64]]:
    """mTRFpy at the penalty that equals ours: it averages over trials and multiplies by the sampling rate."""
    eeg = [np.asarray(part.eeg, dtype=np.float64) for part in train]
    envelope = [np.asarray(part.envelope, dtype=np.float64) for part in train]
    model = TRF(direction=-1)
    model.train(envelope, eeg, 64, 0.0, 26 / 64, penalty / len(train) / 64)
    return model, np.asarray(model.predict(response=np.asarray(test.eeg, dtype=np.float64))[0])


def _absolute_penalty(train: list[Recording], penalty: float) -> float:
    """Our penalty as a number on the diagonal of the summed Gram matrix, from the plain lagged matrix."""
    n_lags = ridge.N_LAGS
    rows = np.concatenate(
        [
            np.stack(
                [np.pad(part.eeg, ((0, n_lags), (0, 0)))[lag : lag + part.n_times] for lag in range(n_lags)],
                1,
            )
            for part in train
        ]
    ).reshape(sum(part.n_times for part in train), -1)
    return penalty * float(rows.astype(np.float64).var(axis=0).mean()) * len(rows)


def _assert_equal_to_mtrf(train: list[Recording], test: Recording, penalty: float) -> None:
    model = ridge.fit(train, [penalty])
    ours = model.predict(test)[:, 0]
    oracle, theirs = _mtrf(train, test, _absolute_penalty(train, penalty))
    assert np.corrcoef(ours, theirs[:, 0])[0, 1] > 0.99999
    np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-4 * theirs.std())
    # Theirs by channel, then lag from the latest EEG to the earliest, times the sampling rate.
    weights = oracle.weights[:, ::-1, 0].T.ravel() / 64
    np.testing.assert_allclose(model.weights[:, 0], weights, atol=1e-4 * np.abs(weights).max())


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_equal_to_mtrfpy_at_equal_penalty(penalty: float) -> None:
    train = [recording(1, 900), recording(2, 700)]
    _assert_equal_to_mtrf(train, recording(3, 500), penalty)


@pytest.mark.real_data
def test_equal_to_mtrfpy_on_real_eeg(dtu_subset: object, paths: Paths) -> None:
    corpus = open_corpus(SplitFolder(path=str(dtu_subset), subjects=("sub-001",)), paths)
    _assert_equal_to_mtrf(list(corpus.train), corpus.test[0], 1.0)


def test_a_linear_response_is_decoded_and_its_lag_found() -> None:
    model = ridge.fit([recording(1, 4000, noise=0.1)], [1e-3])
    test = recording(2, 1000, noise=0.1)
    assert segment_pearson(model.predict(test), test.envelope, 640)[0] > 0.98
    strength = np.abs(model.weights[:, 0]).reshape(ridge.N_LAGS, 6)
    assert strength.sum(axis=1).argmax() == 5 and strength[5, :3].min() > 5 * strength[5, 3:].max()


def test_every_penalty_solves_the_normal_equations() -> None:
    train = ridge.moments_of([recording(1, 900), recording(2, 700)])
    models = ridge.solve(train, ridge.PENALTIES)
    gram, cross, _ = train.centred()
    unit = np.trace(gram) / len(gram)
    for index, penalty in enumerate(ridge.PENALTIES):
        expected = np.linalg.solve(gram + penalty * unit * np.eye(len(gram)), cross)
        np.testing.assert_allclose(models.weights[:, index], expected, atol=1e-9 * np.abs(expected).max())


def test_r_from_moments_is_r_of_the_predictions() -> None:
    models = ridge.fit([recording(1, 900)], [1e-2, 1.0, 100.0])
    held_out = [recording(2, 640), recording(3, 900)]
    predicted = np.concatenate([models.predict(part) for part in held_out])
    true = np.concatenate([part.envelope[:, 0] for part in held_out])
    expected = [np.corrcoef(predicted[:, index], true)[0, 1] for index in range(3)]
    np.testing.assert_allclose(ridge.correlations(models, ridge.moments_of(held_out)), expected, atol=1e-10)


def test_a_silent_envelope_has_no_r() -> None:
    silent = Recording("s", "v", recording(2, 640).eeg, np.zeros((640, 1), np.float32))
    models = ridge.fit([recording(1, 900)], [1.0])
    assert np.isnan(ridge.correlations(models, ridge.moments_of([silent]))).all()
