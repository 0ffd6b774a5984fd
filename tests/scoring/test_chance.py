from __future__ import annotations

import numpy as np
import pytest

from ablab.scoring.aggregate import subject_means
from ablab.scoring.chance import circular_shift_null, shifted_r
from ablab.scoring.segments import segment_pearson


def noise(seed: int, *lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(length) for length in lengths]


def test_every_shift_equals_scoring_a_rolled_target() -> None:
    (prediction, target) = noise(0, 83, 83)
    got = shifted_r(prediction, target, n_segment=20, n_window=10)
    expected = [segment_pearson(prediction, np.roll(target, k), 20).mean() for k in range(10, 83 - 10 + 1)]
    np.testing.assert_allclose(got, expected, atol=1e-14)


@pytest.mark.parametrize(("n_window", "low"), [(10, 10), (192, 25)])
def test_shifts_stay_clear_of_the_truth(n_window: int, low: int) -> None:
    # From min(window, T / 4): a target shifted by less would still resemble itself.
    (signal,) = noise(1, 100)
    values = shifted_r(signal, signal, n_segment=100, n_window=n_window)
    assert len(values) == 100 - 2 * low + 1
    assert values.max() < 0.6


def test_silence_and_constant_predictions_follow_the_rules_of_scoring() -> None:
    (prediction, target) = noise(2, 60, 60)
    target[:35] = 0.25
    prediction[20:40] = -3.0
    got = shifted_r(prediction, target, n_segment=20, n_window=10)
    expected = [
        subject_means([segment_pearson(prediction, np.roll(target, k), 20)], ["a"]).mean
        for k in range(10, 51)
    ]
    np.testing.assert_allclose(got, expected, atol=1e-14)


def test_each_recording_is_shifted_on_its_own() -> None:
    # Two recordings of one stimulus, each predicting the other's alignment after a shift by one whole
    # recording: joined end to end they would score 1 at that shift.
    (signal,) = noise(3, 400)
    null = circular_shift_null(
        [signal, signal], [signal, signal], ["a", "a"], 100, n_window=100, rng=np.random.default_rng(0)
    )
    assert null.subject_p95["a"] < 0.3


def test_one_recording_uses_every_shift_once() -> None:
    (prediction, target) = noise(4, 200, 200)
    values = shifted_r(prediction, target, 50, 40)
    null = circular_shift_null([prediction], [target], ["a"], 50, n_window=40, rng=np.random.default_rng(0))
    assert null.n_draws == len(values) == 121
    assert null.group_mean == pytest.approx(values.mean(), abs=1e-15)
    assert null.group_p95 == pytest.approx(np.percentile(values, 95), abs=1e-15)
    assert null.subject_p95["a"] == null.group_p95


def test_group_null_averages_over_recordings_then_subjects() -> None:
    predictions, targets = noise(5, 200, 200, 200), noise(6, 200, 200, 200)
    arguments = (predictions, targets, ["a", "a", "b"], 50)
    null = circular_shift_null(*arguments, n_window=40, rng=np.random.default_rng(0), n_shifts=500)
    means = [shifted_r(p, t, 50, 40).mean() for p, t in zip(predictions, targets, strict=True)]
    assert null.n_draws == 500
    assert null.subject_mean["a"] == pytest.approx((means[0] + means[1]) / 2, abs=3e-3)
    assert null.subject_mean["b"] == pytest.approx(means[2], abs=1e-12)
    assert null.group_mean == pytest.approx((null.subject_mean["a"] + means[2]) / 2, abs=3e-3)
    # Averaging independent shifts narrows the null.
    assert null.group_p95 < null.subject_p95["b"]


def test_percentile_of_white_noise_matches_theory() -> None:
    n_times, n_recordings = 640, 40
    predictions, targets = noise(7, *[n_times] * n_recordings), noise(8, *[n_times] * n_recordings)
    null = circular_shift_null(
        predictions,
        targets,
        [str(i) for i in range(n_recordings)],
        640,
        n_window=640,
        rng=np.random.default_rng(1),
    )
    assert null.group_p95 == pytest.approx(1.645 / np.sqrt(n_times * n_recordings), rel=0.2)


def test_deterministic_in_the_generator() -> None:
    predictions, targets = noise(9, 90, 120), noise(10, 90, 120)
    draw = [
        circular_shift_null(
            predictions, targets, ["a", "b"], 30, n_window=20, rng=np.random.default_rng(seed)
        )
        for seed in (0, 0, 1)
    ]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]


def test_a_silent_subject_has_no_null_and_spoils_no_other() -> None:
    (prediction, target) = noise(11, 90, 90)
    null = circular_shift_null(
        [prediction, prediction],
        [target, np.zeros(90)],
        ["a", "b"],
        30,
        n_window=20,
        rng=np.random.default_rng(0),
    )
    assert np.isnan(null.subject_p95["b"])
    assert np.isfinite(null.group_p95)


def test_wrong_calls_are_refused() -> None:
    (signal,) = noise(12, 90)
    rng = np.random.default_rng(0)
    with pytest.raises(
        ValueError, match="1 predictions, 1 targets, 2 subjects; give one of each per recording"
    ):
        circular_shift_null([signal], [signal], ["a", "b"], 30, n_window=20, rng=rng)
    with pytest.raises(ValueError, match="n_shifts 0 must be at least 1"):
        circular_shift_null([signal], [signal], ["a"], 30, n_window=20, rng=rng, n_shifts=0)
    with pytest.raises(ValueError, match="differ in shape"):
        circular_shift_null([signal], [signal[:, None]], ["a"], 30, n_window=20, rng=rng)


def test_p_counts_the_truth_as_one_of_the_alignments() -> None:
    (prediction, target) = noise(11, 200, 200)
    target = target + 0.2 * prediction
    values = shifted_r(prediction, target, 50, 40)
    null = circular_shift_null([prediction], [target], ["a"], 50, n_window=40, rng=np.random.default_rng(0))
    r = segment_pearson(prediction, target, 50).mean()
    expected = (1 + int((values >= r).sum())) / (1 + len(values))
    assert 1 / (1 + len(values)) <= expected < 0.5
    assert null.group_p == null.subject_p["a"] == pytest.approx(expected, abs=1e-15)
    perfect = circular_shift_null([target], [target], ["a"], 50, n_window=40, rng=np.random.default_rng(0))
    assert perfect.group_p == pytest.approx(1 / 122)


def test_p_is_uniform_where_nothing_is_predicted() -> None:
    p_values = []
    for seed in range(200):
        (prediction, target) = noise(1000 + seed, 300, 300)
        null = circular_shift_null(
            [prediction], [target], ["a"], 100, n_window=100, rng=np.random.default_rng(seed)
        )
        p_values.append(null.group_p)
    assert 2 <= sum(p <= 0.05 for p in p_values) <= 20
    assert 80 <= sum(p <= 0.5 for p in p_values) <= 120


def test_silence_has_no_p() -> None:
    (prediction,) = noise(12, 200)
    null = circular_shift_null(
        [prediction], [np.zeros(200)], ["a"], 50, n_window=40, rng=np.random.default_rng(0)
    )
    assert np.isnan(null.group_p) and np.isnan(null.subject_p["a"])


def test_recordings_of_one_stimulus_are_shifted_alike() -> None:
    # A decoder that hears nothing answers everybody the same: eight recordings of one stimulus say no more
    # than one, and shifted apart they would average out to a null that the truth exceeds half of the time.
    above = 0
    for seed in range(100):
        (prediction, target) = noise(5000 + seed, 300, 300)
        alone = circular_shift_null(
            [prediction], [target], ["a"], 100, n_window=100, rng=np.random.default_rng(seed)
        )
        eight = circular_shift_null(
            [prediction] * 8,
            [target.copy() for _ in range(8)],
            list("aabbccdd"),
            100,
            n_window=100,
            rng=np.random.default_rng(seed),
        )
        assert (eight.group_p95, eight.n_draws) == pytest.approx((alone.group_p95, alone.n_draws))
        assert eight.subject_p95 == pytest.approx(dict.fromkeys("abcd", alone.group_p95))
        above += eight.group_p <= 0.05
    assert above <= 12


def test_other_stimuli_are_shifted_by_amounts_of_their_own() -> None:
    signals = noise(6, 300, 300, 300, 300)
    null = circular_shift_null(
        signals[:2], signals[2:], ["a", "a"], 100, n_window=100, rng=np.random.default_rng(0)
    )
    assert null.n_draws == 1000
