"""Match-mismatch against hand-made cases: perfect, reversed, random and constant reconstructions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.scoring.match_mismatch import (
    Accuracy,
    Candidates,
    decisions,
    imposter_later,
    imposters_elsewhere,
    match_mismatch,
)

N = 24
GAP = 8


def envelope(n_times: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.convolve(rng.standard_normal(n_times + 7), np.hanning(8), mode="valid")


def later(
    predictions: list[NDArray[np.float64]], targets: list[NDArray[np.float64]], subjects: list[str]
) -> Accuracy:
    return match_mismatch(predictions, targets, subjects, N, 1, imposter_later(N, GAP), unseen={"new"})


def elsewhere(seed: int = 0) -> Candidates:
    return imposters_elsewhere(N, 4, np.random.default_rng(seed))


def test_the_imposter_begins_a_gap_after_the_end_and_at_the_end_a_gap_before_the_beginning() -> None:
    first, imposters = imposter_later(N, GAP)(np.zeros(5 * N + 3))
    assert first.tolist() == [0, 24, 48, 72, 96]
    # 24 + 8 = 32 further on; where that would end behind sample 123, 32 earlier.
    assert imposters[:, 0].tolist() == [32, 56, 80, 40, 64]


def test_a_window_without_room_for_an_imposter_is_left_out() -> None:
    assert imposter_later(N, GAP)(np.zeros(2 * N))[0].tolist() == []
    assert imposter_later(N, GAP)(np.zeros(2 * N + GAP))[0].tolist() == [0]


def test_four_other_windows_of_the_recording_each_once() -> None:
    target = envelope(9 * N)
    first, imposters = elsewhere()(target)
    assert first.tolist() == list(range(0, 9 * N, N))
    assert imposters.shape == (9, 4)
    for own, others in zip(first, imposters, strict=True):
        assert len(set(others)) == 4
        assert own not in others
        assert set(others) <= set(first)
    again = elsewhere()(target)[1]
    assert np.array_equal(imposters, again)
    drawn = np.bincount(np.concatenate([elsewhere(seed)(target)[1][0] for seed in range(400)]) // N)
    assert drawn[0] == 0
    assert drawn[1:] == pytest.approx(200, abs=45)  # 400 * 4 / 8, and four standard deviations


def test_silence_is_neither_match_nor_imposter() -> None:
    target = envelope(7 * N)
    target[2 * N : 3 * N] = 0.0
    first, imposters = elsewhere()(target)
    assert 2 * N not in first
    assert 2 * N not in imposters
    first, _ = elsewhere()(target[: 5 * N])  # four windows are left: too few
    assert len(first) == 0
    # With one later imposter only the silent window is lost: none of the imposters is silent throughout.
    assert len(decisions(target, target, N, imposter_later(N, GAP))) == 6


def test_a_perfect_reconstruction_is_always_right() -> None:
    targets = [envelope(40 * N, 1), envelope(17 * N, 2)]
    predictions = [3 * target - 1 for target in targets]
    got = later(predictions, targets, ["a", "b"])
    assert got.mean == 1.0
    assert got.chance == 0.5
    four = match_mismatch(predictions, targets, ["a", "b"], N, 4, elsewhere())
    assert (four.mean, four.chance) == (1.0, 0.2)
    assert {name: entry.n_windows for name, entry in four.subjects.items()} == {"a": 40, "b": 17}


def test_the_reconstruction_of_the_imposter_is_always_wrong() -> None:
    target = envelope(40 * N, 1)
    prediction = np.roll(target, -(N + GAP))
    right = decisions(prediction, target, N, imposter_later(N, GAP))
    assert right[:38].tolist() == [0.0] * 38  # the last two have their imposter before them


def test_guessing_is_at_chance() -> None:
    targets = [envelope(600 * N, seed) for seed in range(4)]
    predictions = [envelope(600 * N, 100 + seed) for seed in range(4)]
    got = later(predictions, targets, list("abcd"))
    assert got.mean == pytest.approx(0.5, abs=0.04)  # 2400 windows: four standard deviations
    assert got.bound == pytest.approx(0.5 + 1.645 * 0.5 / np.sqrt(2400), abs=0.001)
    four = match_mismatch(predictions, targets, list("abcd"), N, 4, elsewhere())
    assert four.mean == pytest.approx(0.2, abs=0.033)


def test_a_constant_answer_is_worth_a_guess() -> None:
    target = envelope(20 * N)
    assert later([np.ones(20 * N)], [target], ["a"]).mean == 0.5
    assert match_mismatch([np.ones(20 * N)], [target], ["a"], N, 4, elsewhere()).mean == pytest.approx(0.2)


def test_subjects_weigh_the_same_and_unseen_ones_stand_apart() -> None:
    targets = [envelope(20 * N, 1), envelope(60 * N, 2), envelope(20 * N, 3)]
    predictions = [targets[0], np.ones(60 * N), targets[2]]
    got = later(predictions, targets, ["a", "b", "new"])
    assert got.mean == pytest.approx((1.0 + 0.5) / 2)
    assert got.mean_unseen == 1.0
    assert [entry.seen for entry in got.subjects.values()] == [True, True, False]
    # Two subjects with 20 and 60 windows vary as one with 4 / (1/20 + 1/60) = 60.
    assert got.bound == pytest.approx(36 / 60)


def test_recordings_too_short_are_counted() -> None:
    got = later([np.ones(N), envelope(9 * N)], [envelope(N), envelope(9 * N)], ["a", "b"])
    assert got.n_too_short == 1
    assert set(got.subjects) == {"b"}
    nothing = later([np.ones(N)], [envelope(N)], ["a"])
    assert (nothing.mean, nothing.bound, nothing.n_too_short) == (None, None, 1)


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length; give both sides of the same recording"):
        decisions(np.ones(100), np.ones(99), N, imposter_later(N, GAP))
