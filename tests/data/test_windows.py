from __future__ import annotations

import numpy as np
import pytest

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex, draw_epoch, gather


def _draw(seed: int, lengths: list[int], n_times: int, per_recording: int) -> WindowIndex:
    return draw_epoch(lengths, n_times, per_recording, np.random.default_rng(seed))


def test_one_start_in_each_stratum_of_each_recording() -> None:
    index = _draw(0, [1000, 739], 640, 10)
    assert len(index) == 20
    for recording, n_starts in enumerate([361, 100]):
        starts = np.sort(index.start[index.recording == recording])
        edges = np.arange(11) * n_starts / 10
        assert np.all((starts >= np.floor(edges[:-1])) & (starts <= edges[1:]))
        assert starts.min() >= 0 and starts.max() < n_starts


def test_every_start_has_the_same_chance() -> None:
    # 7 starts in 3 strata: strata do not end on whole starts, and still each start is drawn 3/7 of the time.
    rng = np.random.default_rng(1)
    starts = np.concatenate([draw_epoch([16], 10, 3, rng).start for _ in range(7000)])
    counts = np.bincount(starts, minlength=7)
    assert len(counts) == 7
    np.testing.assert_allclose(counts, 3000, rtol=0.07)


def test_more_windows_than_starts_and_a_single_start() -> None:
    assert set(_draw(0, [12], 10, 50).start) == {0, 1, 2}
    assert set(_draw(0, [10], 10, 4).start) == {0}


def test_order_is_shuffled_and_a_function_of_the_seed() -> None:
    first, again, other = (_draw(seed, [900] * 8, 640, 10) for seed in (3, 3, 4))
    assert (first.recording == again.recording).all() and (first.start == again.start).all()
    assert (first.recording != other.recording).any()
    assert (np.diff(first.recording) < 0).any()


def test_a_recording_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="recording 1 is shorter than a window of 640 samples"):
        _draw(0, [640, 639], 640, 1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_gathered_windows_are_the_recordings_samples(order: str) -> None:
    recordings = []
    for number in range(3):
        eeg = np.array(
            np.random.default_rng(number).standard_normal((200 + number, 5)), np.float32, order=order
        )  # type: ignore[call-overload]
        recordings.append(Recording("s", str(number), eeg, eeg[:, :1] * 2))
    index = _draw(0, [200, 201, 202], 64, 6)[2:13]
    eeg, envelope = np.empty((11, 64, 5), np.float32), np.empty((11, 64, 1), np.float32)
    gather(recordings, index, 64, eeg, envelope)
    for row, (number, start) in enumerate(zip(index.recording, index.start, strict=True)):
        np.testing.assert_array_equal(eeg[row], recordings[number].eeg[start : start + 64])
        np.testing.assert_array_equal(envelope[row], recordings[number].envelope[start : start + 64])
