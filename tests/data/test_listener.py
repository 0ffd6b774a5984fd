from __future__ import annotations

import numpy as np

from ablab.data.listener import eeg, listener, speech_envelope


def test_the_envelope_is_modulated_like_speech_and_pauses() -> None:
    envelope = speech_envelope(64 * 300, np.random.default_rng(0))
    assert envelope.min() >= 0
    power = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
    frequency = np.fft.rfftfreq(len(envelope), 1 / 64)
    band = power[(frequency >= 2) & (frequency < 8)].sum()
    assert band > 0.4 * power.sum()
    assert band > 5 * power[frequency >= 8].sum()
    quiet = envelope < 0.25 * envelope.mean()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int))).reshape(-1, 2)
    pauses = edges[:, 1] - edges[:, 0]
    assert 0.1 < quiet.mean() < 0.35
    assert (pauses >= 0.25 * 64).sum() > 20  # pauses of a quarter second and more, many in five minutes


def _responses(loudness: float) -> np.ndarray:
    """EEG with and without a sound, same noise: what is left is the response alone."""
    envelope = loudness * speech_envelope(64 * 60, np.random.default_rng(1))
    silence = np.full_like(envelope, 1e-9)
    who = listener(16, np.random.default_rng(2))
    recorded = [eeg(sound, who, np.random.default_rng(3)) for sound in (envelope, silence)]
    return np.asarray(recorded[0] - recorded[1])


def test_the_response_follows_the_sound_by_50_to_300_ms() -> None:
    envelope = speech_envelope(64 * 60, np.random.default_rng(1))
    response = _responses(1.0)
    strongest = response[:, response.std(axis=0).argmax()]
    lags = np.arange(-32, 33)
    r = np.array([np.corrcoef(np.roll(envelope, lag), strongest)[0, 1] for lag in lags])
    assert 0.03 <= lags[np.abs(r).argmax()] / 64 <= 0.35
    assert np.abs(r[lags < 0]).max() < np.abs(r[lags > 0]).max()


def test_the_response_is_not_linear_in_the_sound() -> None:
    # Adaptation is relative: twice as loud is not twice the response.
    np.testing.assert_allclose(_responses(2.0), _responses(1.0), atol=1e-3)


def test_listeners_differ_and_one_listener_does_not() -> None:
    envelope = speech_envelope(64 * 20, np.random.default_rng(1))
    people = [listener(8, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    first, same, other = (eeg(envelope, who, np.random.default_rng(3)) for who in people)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1
    assert first.dtype == np.float32 and first.shape == (1280, 8) and np.isfinite(first).all()


def test_one_channel_is_enough_to_be_simulated() -> None:
    recorded = eeg(
        speech_envelope(640, np.random.default_rng(1)),
        listener(1, np.random.default_rng(0)),
        np.random.default_rng(2),
    )
    assert recorded.shape == (640, 1) and recorded.std() > 0
