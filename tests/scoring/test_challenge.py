"""The challenge's regression score against hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.scoring.challenge import challenge_score
from ablab.scoring.pearson import pearson

N = 40


def noisy(n_times: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    target = rng.standard_normal(n_times)
    return target + rng.standard_normal(n_times), target


def test_segments_subjects_groups() -> None:
    cases = [noisy(2 * N + 7, 0), noisy(N, 1), noisy(3 * N, 2), noisy(N, 3)]
    subjects = ["a", "a", "b", "new"]
    got = challenge_score(*zip(*cases, strict=True), subjects, N, unseen={"new"})

    def r(case: int, segment: int) -> float:
        part = slice(segment * N, (segment + 1) * N)
        prediction, target = cases[case]
        return float(pearson(prediction[part], target[part]))

    # All of a subject's segments count the same, whichever recording they are from.
    a = np.mean([r(0, 0), r(0, 1), r(1, 0)])
    b = np.mean([r(2, 0), r(2, 1), r(2, 2)])
    assert got.subjects == pytest.approx({"a": a, "b": b, "new": r(3, 0)})
    assert got.n_segments == {"a": 3, "b": 3, "new": 1}
    assert got.within == pytest.approx((a + b) / 2)
    assert got.held_out == pytest.approx(r(3, 0))
    assert got.score == pytest.approx(2 / 3 * (a + b) / 2 + 1 / 3 * r(3, 0))


def test_a_perfect_reconstruction() -> None:
    _, target = noisy(3 * N, 0)
    got = challenge_score([5 * target - 2, target], [target, target], ["a", "new"], N, unseen={"new"})
    assert got.score == pytest.approx(1.0)


def test_without_held_out_subjects_there_is_no_whole_score() -> None:
    prediction, target = noisy(N, 0)
    got = challenge_score([prediction], [target], ["a"], N)
    assert got.within is not None
    assert (got.score, got.held_out) == (None, None)


def test_recordings_shorter_than_a_segment_are_left_out_and_counted() -> None:
    (long, true), (short, brief) = noisy(N, 0), noisy(N - 1, 1)
    got = challenge_score([long, short, short], [true, brief, brief], ["a", "a", "b"], N)
    assert got.n_too_short == 2
    assert set(got.subjects) == {"a"}
    assert got.within == pytest.approx(float(pearson(long, true)))


def test_silence_has_no_r_and_a_constant_answer_is_worth_nothing() -> None:
    _, target = noisy(2 * N, 0)
    silent = target.copy()
    silent[:N] = 0.5
    got = challenge_score([target, np.ones(2 * N)], [silent, target], ["a", "b"], N)
    assert got.subjects == pytest.approx({"a": 1.0, "b": 0.0})
    assert got.n_segments == {"a": 1, "b": 2}
