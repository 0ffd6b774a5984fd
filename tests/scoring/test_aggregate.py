from __future__ import annotations

import numpy as np
import pytest

from ablab.scoring.aggregate import mean_of_scored, subject_means


def test_segments_then_recordings_then_subjects() -> None:
    # Unequal counts at every level: any other order of averaging gives another number.
    segment_r = [np.array([0.1, 0.2, 0.6]), np.array([0.5]), np.array([0.0, 0.2])]
    scores = subject_means(segment_r, ["a", "a", "b"])
    assert scores.subjects["a"].r == pytest.approx((0.3 + 0.5) / 2)
    assert scores.subjects["b"].r == pytest.approx(0.1)
    assert scores.mean == pytest.approx((0.4 + 0.1) / 2)
    pooled = np.concatenate(segment_r).mean()
    assert scores.mean != pytest.approx(pooled)


def test_counts_and_order_of_subjects() -> None:
    scores = subject_means([np.array([0.1]), np.array([0.2, 0.3]), np.array([0.4])], ["z", "a", "z"])
    assert list(scores.subjects) == ["z", "a"]
    assert (scores.subjects["z"].n_recordings, scores.subjects["z"].n_segments) == (2, 2)
    assert (scores.subjects["a"].n_recordings, scores.subjects["a"].n_segments) == (1, 2)
    assert scores.n_left_out == 0


def test_segments_without_a_score_are_left_out_and_counted() -> None:
    nan = np.nan
    segment_r = [np.array([0.2, nan]), np.array([nan, nan]), np.array([nan])]
    scores = subject_means(segment_r, ["a", "a", "b"])
    assert scores.n_left_out == 4
    assert scores.subjects["a"].r == pytest.approx(0.2)
    assert (scores.subjects["a"].n_recordings, scores.subjects["a"].n_segments) == (1, 1)
    assert np.isnan(scores.subjects["b"].r)
    assert scores.mean == pytest.approx(0.2)


def test_nothing_scored_is_nan() -> None:
    assert np.isnan(subject_means([np.array([np.nan])], ["a"]).mean)
    assert np.isnan(subject_means([], []).mean)


def test_one_subject_per_recording() -> None:
    with pytest.raises(ValueError, match="2 recordings but 1 subjects; give one for each"):
        subject_means([np.array([0.1]), np.array([0.1])], ["a"])


def test_mean_of_scored_along_an_axis() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(mean_of_scored(values, axis=0), [2.0, np.nan])


def test_unseen_subjects_never_enter_the_mean_of_the_others() -> None:
    segment_r = [np.array([0.1]), np.array([0.3]), np.array([0.8])]
    scores = subject_means(segment_r, ["a", "b", "new"], unseen={"new"})
    assert scores.mean == pytest.approx(0.2)
    assert scores.mean_unseen == pytest.approx(0.8)
    assert scores.unseen == {"new"}
    assert scores.subjects["new"].r == pytest.approx(0.8)
    assert np.isnan(subject_means(segment_r, ["a", "b", "c"]).mean_unseen)
