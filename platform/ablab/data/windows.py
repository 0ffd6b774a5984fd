"""Which windows an epoch trains on, and the windows themselves. Randomness is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import Recording


@dataclass(frozen=True, slots=True, eq=False)
class WindowIndex:
    """Windows by recording and first sample, in the order in which they are trained on."""

    recording: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.recording)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> WindowIndex:
        """A run of windows, such as one batch, or those at the positions given."""
        return WindowIndex(self.recording[part], self.start[part])

    def check(self, lengths: NDArray[np.int64], n_times: int) -> None:
        """Raise ValueError where a window of ``n_times`` does not lie within its recording.

        lengths: samples of each recording.
        """
        outside = (self.start < 0) | (self.start + n_times > lengths[self.recording])
        if outside.any():
            at = int(outside.argmax())
            raise ValueError(
                f"{n_times} samples from {self.start[at]} on are not within recording {self.recording[at]} "
                f"of {lengths[self.recording[at]]}"
            )


def draw_epoch(
    lengths: Sequence[int], n_times: int, per_recording: int, rng: np.random.Generator
) -> WindowIndex:
    """One epoch's windows: per recording as many equal strata as windows, one start in each, all shuffled.

    lengths: samples of each recording, each at least ``n_times``. Every possible start has the same chance.

    >>> index = draw_epoch([640, 900], n_times=640, per_recording=2, rng=np.random.default_rng(0))
    >>> sorted(index.recording.tolist()), index.start[index.recording == 0].tolist()
    ([0, 0, 1, 1], [0, 0])
    """
    n_starts = np.asarray(lengths, dtype=np.int64) - n_times + 1
    if len(n_starts) and n_starts.min() < 1:
        raise ValueError(f"recording {int(n_starts.argmin())} is shorter than a window of {n_times} samples")
    drawn = np.arange(per_recording) + rng.random((len(n_starts), per_recording))
    starts = (drawn * (n_starts[:, None] / per_recording)).astype(np.int64)
    # Rounding may lift the last stratum's upper end onto n_starts itself.
    starts = np.minimum(starts, n_starts[:, None] - 1)
    recording = np.repeat(np.arange(len(n_starts), dtype=np.int64), per_recording)
    order = rng.permutation(starts.size)
    return WindowIndex(recording[order], starts.ravel()[order])


def gather(
    recordings: Sequence[Recording],
    index: WindowIndex,
    n_times: int,
    eeg: NDArray[np.float32],
    envelope: NDArray[np.float32],
) -> None:
    """Copy the windows of ``index`` out of the recordings, in order, whatever way they are kept.

    eeg, envelope: what is written over, ``(n, n_times, n_chans)`` and ``(n, n_times, 1)``.
    """
    # A window is one block of its file, and hardly two of a batch lie in one file: a plain copy of each is
    # twice as fast as indexing file by file, and a turn of the loop costs 2 % of the copy.
    for row, (number, start) in enumerate(zip(index.recording.tolist(), index.start.tolist(), strict=True)):
        recording = recordings[number]
        eeg[row] = recording.eeg[start : start + n_times]
        envelope[row] = recording.envelope[start : start + n_times]
