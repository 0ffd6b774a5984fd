from __future__ import annotations

import numpy as np
import pytest
from mtrf import TRF
from numpy.typing import NDArray

from ablab.baselines import ridge
from ablab.data.corpus import Corpus, Recording
from ablab.data.datasets import open_corpus
from ablab.errors import DataError
from ablab.paths import Paths
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import Evaluation, Simulated, SplitFolder


def _recording(
    seed: int, n_times: int, subject: str = "s", n_chans: int = 6, noise: float = 1.0
) -> Recording:
    """EEG that follows the envelope by 5 samples, in noise."""
    rng = np.random.default_rng(seed)
    envelope = np.convolve(rng.standard_normal(n_times + 7), np.hanning(8), "valid")
    eeg = noise * rng.standard_normal((n_times, n_chans))
    eeg[5:, :3] += envelope[:-5, None]
    return Recording(subject, str(seed), eeg.astype(np.float32), envelope[:, None].astype(np.float32))


def _corpus(parts: dict[str, list[Recording]]) -> Corpus:
    return Corpus(
        n_chans=6,
        sfreq=64,
        subjects=tuple(sorted({part.subject for part in parts["train"]})),
        train=tuple(parts["train"]),
        validation=tuple(parts["val"]),
        test=tuple(parts["test"]),
        fingerprint="0" * 32,
        notices=(),
        simulated=False,
    )


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
    train = [_recording(1, 900), _recording(2, 700)]
    _assert_equal_to_mtrf(train, _recording(3, 500), penalty)


@pytest.mark.real_data
def test_equal_to_mtrfpy_on_real_eeg(dtu_subset: object, paths: Paths) -> None:
    corpus = open_corpus(SplitFolder(path=str(dtu_subset), subjects=("sub-001",)), paths)
    _assert_equal_to_mtrf(list(corpus.train), corpus.test[0], 1.0)


@pytest.mark.real_data
def test_real_eeg_gives_the_known_score(dtu_subset: object, paths: Paths) -> None:
    result = ridge.run(open_corpus(SplitFolder(path=str(dtu_subset)), paths), Evaluation())
    assert result.test_pearson == pytest.approx(0.143, abs=0.01)
    assert result.chance_p95 == pytest.approx(0.051, abs=0.01)
    assert len(result.per_subject) == 8
    assert np.std(list(result.per_subject.values()), ddof=1) == pytest.approx(0.093, abs=0.02)


def test_a_linear_response_is_decoded_and_its_lag_found() -> None:
    model = ridge.fit([_recording(1, 4000, noise=0.1)], [1e-3])
    test = _recording(2, 1000, noise=0.1)
    assert segment_pearson(model.predict(test), test.envelope, 640)[0] > 0.98
    strength = np.abs(model.weights[:, 0]).reshape(ridge.N_LAGS, 6)
    assert strength.sum(axis=1).argmax() == 5 and strength[5, :3].min() > 5 * strength[5, 3:].max()


def test_penalty_is_chosen_on_validation_and_test_is_not_looked_at() -> None:
    # The test part's envelope is turned over: whoever chose by test r would choose another penalty.
    train, validation, test = _recording(1, 700), _recording(2, 640), _recording(3, 640)
    turned = Recording("s", "3", test.eeg, -test.envelope)
    plain = ridge.run(_corpus({"train": [train], "val": [validation], "test": [test]}), Evaluation())
    other = ridge.run(_corpus({"train": [train], "val": [validation], "test": [turned]}), Evaluation())
    assert plain.lambdas == other.lambdas
    assert plain.test_pearson == pytest.approx(-other.test_pearson) and plain.test_pearson > 0.3
    models = ridge.fit([train], ridge.PENALTIES)
    r = [
        segment_pearson(models.predict(validation)[:, [index]], validation.envelope, 640)[0]
        for index in range(len(ridge.PENALTIES))
    ]
    assert plain.lambdas["s"] == ridge.PENALTIES[int(np.argmax(r))]


def test_scores_are_means_of_segments_then_recordings_then_subjects() -> None:
    parts = {
        "train": [_recording(1, 900, "a"), _recording(2, 900, "b")],
        "val": [_recording(3, 640, "a"), _recording(4, 640, "b")],
        "test": [_recording(5, 1290, "a"), _recording(6, 640, "a"), _recording(7, 400, "b")],
    }
    said: list[tuple[str, float]] = []
    result = ridge.run(_corpus(parts), Evaluation(segment_seconds=10.0), lambda *told: said.append(told))
    expected = {}
    for subject in ("a", "b"):
        train = [part for part in parts["train"] if part.subject == subject]
        model = ridge.fit(train, [result.lambdas[subject]])
        expected[subject] = np.mean(
            [
                segment_pearson(model.predict(part), part.envelope, 640).mean()
                for part in parts["test"]
                if part.subject == subject
            ]
        )
    assert result.per_subject == pytest.approx(expected)
    assert result.test_pearson == pytest.approx(np.mean(list(expected.values())))
    assert dict(said) == pytest.approx(expected)
    assert 0 < result.chance_p95 < 0.5


def test_the_units_of_the_eeg_do_not_matter() -> None:
    parts = {"train": [_recording(1, 900)], "val": [_recording(2, 640)], "test": [_recording(3, 640)]}
    scaled = {
        split: [Recording(p.subject, p.name, 1000 * p.eeg, 3 * p.envelope + 7) for p in found]
        for split, found in parts.items()
    }
    first, second = (ridge.run(_corpus(found), Evaluation()) for found in (parts, scaled))
    assert (
        second.test_pearson == pytest.approx(first.test_pearson, abs=1e-4) and second.lambdas == first.lambdas
    )


def test_silent_validation_chooses_the_strongest_penalty() -> None:
    silent = Recording("s", "v", _recording(2, 640).eeg, np.zeros((640, 1), np.float32))
    corpus = _corpus({"train": [_recording(1, 900)], "val": [silent], "test": [_recording(3, 640)]})
    assert ridge.run(corpus, Evaluation()).lambdas == {"s": max(ridge.PENALTIES)}


def test_recordings_shorter_than_the_lags_are_refused_by_name() -> None:
    corpus = _corpus(
        {"train": [_recording(1, 26)], "val": [_recording(2, 640)], "test": [_recording(3, 640)]}
    )
    with pytest.raises(DataError, match="s/1: 26 samples are fewer than 27 lags"):
        ridge.run(corpus, Evaluation())


def test_simulated_listeners_are_decodable_above_chance(paths: Paths) -> None:
    result = ridge.run(open_corpus(Simulated(n_subjects=3, minutes=4.0, n_chans=24), paths), Evaluation())
    assert 0.05 < result.test_pearson < 0.25 and result.test_pearson > result.chance_p95
