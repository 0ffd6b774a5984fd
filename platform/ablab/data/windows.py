"""Which windows an epoch trains on, and the windows themselves. Randomness is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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

    def __getitem__(self, part: slice) -> WindowIndex:
        """A run of windows, such as one batch."""
        return WindowIndex(self.recording[part], self.start[part])


class Windows(NamedTuple):
    """A batch, freshly copied out of the memory-mapped recordings."""

    eeg: NDArray[np.float32]
    """``(batch, n_times, n_chans)``, C-contiguous."""
    envelope: NDArray[np.float32]
    """``(batch, n_times, 1)``, C-contiguous."""
    recording: NDArray[np.int64]
    """``(batch,)``: index of each window's recording."""


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


def gather(recordings: Sequence[Recording], index: WindowIndex, n_times: int) -> Windows:
    """Copy the windows of ``index`` out of the recordings, in order."""
    n_chans = recordings[0].eeg.shape[1]
    eeg = np.empty((len(index), n_times, n_chans), dtype=np.float32)
    envelope = np.empty((len(index), n_times, 1), dtype=np.float32)
    # One slice per window: a strided view indexed with all starts at once took two to four times as long.
    for row, (number, start) in enumerate(zip(index.recording.tolist(), index.start.tolist(), strict=True)):
        eeg[row] = recordings[number].eeg[start : start + n_times]
        envelope[row] = recordings[number].envelope[start : start + n_times]
    return Windows(eeg, envelope, index.recording)
