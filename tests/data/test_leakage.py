from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.data.leakage import Track, find_leaks
from ablab.data.listener import speech_envelope

SECOND = 64


def _speech(seed: int, seconds: float) -> NDArray[np.float32]:
    return speech_envelope(int(seconds * SECOND), np.random.default_rng(seed)).astype(np.float32)


def _track(name: str, values: NDArray[np.float32], digest: str | None = None) -> Track:
    return Track(name, digest or name, values)


def test_separate_stimuli_do_not_leak() -> None:
    train = [_track(f"t{seed}", _speech(seed, 100)) for seed in range(6)]
    held_out = [_track(f"v{seed}", _speech(100 + seed, 30)) for seed in range(6)]
    assert find_leaks(train, held_out) == ()


def test_white_noise_is_searched_as_well_as_speech() -> None:
    rng = np.random.default_rng(0)
    train, held_out = (rng.standard_normal(n * SECOND).astype(np.float32) for n in (60, 25))
    assert find_leaks([_track("t", train)], [_track("v", held_out)]) == ()
    held_out[333:1000] = train[1111 : 1111 + 667]
    (leak,) = find_leaks([_track("t", train)], [_track("v", held_out)])
    assert leak.held_out_start == pytest.approx(333 / 64, abs=0.3)


@pytest.mark.parametrize("at", [0, 1, 77, 250, 318, 500])
@pytest.mark.parametrize("source", [0, 1003, 4480])
def test_exactly_ten_seconds_are_found_at_any_offset_of_either(at: int, source: int) -> None:
    train, held_out = _speech(1, 80), _speech(2, 20)
    held_out[at : at + 640] = train[source : source + 640]
    (leak,) = find_leaks([_track("t", train)], [_track("v", held_out)])
    assert (leak.train, leak.held_out) == ("t", "v")
    assert leak.held_out_start == pytest.approx(at / SECOND, abs=1.0)
    assert leak.train_start - leak.held_out_start == pytest.approx((source - at) / SECOND)
    assert leak.seconds >= 10 and leak.r > 0.9999 and leak.n_segments == 1


@pytest.mark.parametrize("scale, shift", [(3.0, -7.0), (-0.5, 2.0)])
def test_scale_and_sign_hide_nothing(scale: float, shift: float) -> None:
    train = _speech(1, 60)
    held_out = np.concatenate([_speech(2, 5), scale * train[900:1700] + shift, _speech(3, 5)]).astype(
        np.float32
    )
    (leak,) = find_leaks([_track("t", train)], [_track("v", held_out)])
    assert leak.train_start - leak.held_out_start == pytest.approx((900 - 320) / SECOND)


def test_a_little_noise_hides_nothing_and_much_noise_does() -> None:
    train = _speech(1, 60)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(900) * train.std()
    for level, n_found in ((0.08, 1), (0.5, 0)):
        held_out = (train[500:1400] + level * noise).astype(np.float32)
        assert len(find_leaks([_track("t", train)], [_track("v", held_out)])) == n_found


def test_five_seconds_in_common_are_no_leak() -> None:
    train, held_out = _speech(1, 60), _speech(2, 30)
    held_out[640:960] = train[100:420]
    assert find_leaks([_track("t", train)], [_track("v", held_out)]) == ()


def test_pauses_and_constants_match_nothing() -> None:
    train, held_out = _speech(1, 90), _speech(2, 60)
    train[1000:2500] = train[1000]
    held_out[700:2000] = held_out[700]
    rng = np.random.default_rng(0)
    train[3000:4500] = 1e-4 * np.sin(np.arange(1500) / 9)
    held_out[2200:3300] = 1e-4 * np.sin(np.arange(1100) / 9) + 1e-6 * rng.standard_normal(1100)
    silence = np.zeros(1280, np.float32)
    tracks = [_track("v", held_out), _track("silence", silence)]
    assert find_leaks([_track("t", train), _track("quiet", silence, "q")], tracks) == ()


def test_copies_are_searched_once_and_all_counted() -> None:
    story = _speech(1, 50)
    train = [_track(f"t{index}", story, "story") for index in range(5)]
    held_out = [_track(f"v{index}", story[640:1920], "part") for index in range(3)]
    (leak,) = find_leaks(train, held_out)
    assert (leak.train, leak.held_out, leak.copies) == ("t0", "v0", 3)
    assert leak.seconds == 20 and leak.n_segments == 6


def test_several_leaks_come_in_the_order_of_the_held_out_recordings() -> None:
    one, two = _speech(1, 60), _speech(2, 60)
    held_out = [_track("a", two[640:1600]), _track("b", _speech(9, 20)), _track("c", one[100:900])]
    leaks = find_leaks([_track("t1", one), _track("t2", two)], held_out)
    assert [(leak.held_out, leak.train) for leak in leaks] == [("a", "t2"), ("c", "t1")]


def test_two_stretches_of_one_recording_are_two_leaks() -> None:
    one, two = _speech(1, 60), _speech(2, 60)
    held_out = np.concatenate([one[1000:1800], _speech(3, 8), two[333:1200]])
    leaks = find_leaks([_track("t1", one), _track("t2", two)], [_track("v", held_out)])
    assert [leak.train for leak in leaks] == ["t1", "t2"]


@pytest.mark.parametrize("seconds", [9.5, 5, 2])
def test_recordings_shorter_than_a_segment_are_compared_whole(seconds: float) -> None:
    train, other = _speech(1, 60), _speech(2, 60)
    short = train[700 : 700 + int(seconds * SECOND)]
    fresh = _speech(5, seconds)
    held_out = [_track("short", short), _track("fresh", fresh), _track("long", _speech(4, 30))]
    leaks = find_leaks([_track("t", train), _track("other", other)], held_out)
    assert [leak.held_out for leak in leaks] == ["short"]
    (leak,) = find_leaks([_track("t", short)], [_track("v", train)])
    assert leak.held_out_start == pytest.approx(700 / SECOND, abs=1.0)


def test_every_pair_of_offsets_agrees_with_brute_force() -> None:
    # Slowly varying envelopes, which correlate easily; the oracle compares every pair of segments.
    rng = np.random.default_rng(3)
    smooth = np.hanning(65)
    train = np.convolve(rng.standard_normal(1600), smooth, "same").astype(np.float32)
    held_out = np.convolve(rng.standard_normal(1100), smooth, "same").astype(np.float32)
    held_out[200:900] = train[431:1131] + 0.3 * rng.standard_normal(700)
    ours, theirs = (np.lib.stride_tricks.sliding_window_view(x, 640).astype(float) for x in (held_out, train))
    ours, theirs = (x - x.mean(axis=1, keepdims=True) for x in (ours, theirs))
    ours, theirs = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ours, theirs))
    r = np.abs(ours @ theirs.T)
    (leak,) = find_leaks([_track("t", train)], [_track("v", held_out)])
    assert leak.r == pytest.approx(r.max(), abs=1e-9)
    row, column = np.unravel_index(r.argmax(), r.shape)
    assert leak.train_start - leak.held_out_start == pytest.approx((column - row) / SECOND)
