"""The leakage guard: is a stretch of a training envelope heard again in validation or test?

A leak is a segment of 10 s whose normalised correlation with a training segment, at any offset of either,
exceeds 0.99 in absolute value at 8 Hz and at 64 Hz. Every pair of offsets cannot be compared at 64 Hz, so
the search is a funnel:

1. Validation and test are cut into probes of half a segment, so that every segment holds a whole one.
   Probes, and training windows every 4 samples, are described by 20 cosine coefficients (0.1 to 2 Hz,
   hardly changed by a misalignment of 2 samples); one matrix product compares all of them.
2. What correlates is aligned to the sample at 64 Hz.
3. At each alignment that is left, the correlation of every segment is computed, at 8 Hz and at 64 Hz.

Envelopes that are equal sample for sample are searched once. Pure numpy; knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ablab.data.corpus import SFREQ
from ablab.data.sliding import ACTIVE, Signal, coarse_r, cosines, sliding_r, unit

VERSION = 1
"""Raised when the search finds other leaks than before; cached results carry it."""
SEGMENT_SECONDS = 10
THRESHOLD = 0.99
_COARSE_RATE = 8
"""Hertz at which a segment is compared first."""
_CANDIDATE = 0.9
"""Probe correlation worth a closer look: half a segment may be noisier than the whole."""
_N_COEFFICIENTS = 20
_PROBE_ROWS, _WINDOW_COLUMNS = 512, 4096
"""Block of the comparison, 8 MiB."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """An envelope to be searched."""

    name: str
    digest: str
    """Equal for envelopes that are equal sample for sample."""
    values: NDArray[np.float32]
    """``(n_times,)`` or ``(n_times, 1)``, at 64 Hz; may be memory-mapped."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A stretch of a held-out envelope that stands in a training envelope too."""

    train: str
    held_out: str
    train_start: float
    """Seconds."""
    held_out_start: float
    """Seconds."""
    seconds: float
    r: float
    """Of the segment that agrees best."""
    copies: int
    """Held-out recordings with exactly this envelope, ``held_out`` included."""
    n_segments: int
    """Whole segments that the stretch holds, over all copies."""


def find_leaks(train: Sequence[Track], held_out: Sequence[Track]) -> tuple[Leak, ...]:
    """All stretches of ``held_out`` that stand in ``train``, in the order of ``held_out``.

    Where a recording is shorter than 10 s, segments as long as it (whole seconds) are compared.
    """
    sought, copies = _unique(held_out)
    searched, _ = _unique(train)
    leaks: list[Leak] = []
    for length in sorted({_segment(track) for track in [*sought, *searched]} - {0}, reverse=True):
        held = [track for track in sought if _segment(track) >= length]
        heard = [track for track in searched if _segment(track) >= length]
        # A pair is compared at the shorter of its two lengths, and only there.
        exact_held = [track for track in held if _segment(track) == length]
        exact_heard = [track for track in heard if _segment(track) == length]
        longer_held = [track for track in held if _segment(track) > length]
        leaks += _search(heard, exact_held, length, copies)
        leaks += _search(exact_heard, longer_held, length, copies)
    order = {track.name: index for index, track in enumerate(held_out)}
    return tuple(sorted(leaks, key=lambda leak: (order[leak.held_out], leak.held_out_start)))


def _unique(tracks: Sequence[Track]) -> tuple[list[Track], dict[str, int]]:
    first: dict[str, Track] = {}
    copies: dict[str, int] = {}
    for track in tracks:
        first.setdefault(track.digest, track)
        copies[track.digest] = copies.get(track.digest, 0) + 1
    return list(first.values()), copies


def _segment(track: Track) -> int:
    """Segment length for this recording, samples; 0 where it is shorter than a second."""
    return min(SEGMENT_SECONDS, len(track.values) // SFREQ) * SFREQ


def _standardised(track: Track) -> Signal:
    values = np.asarray(track.values, dtype=np.float64).reshape(-1)
    deviation = values.std()
    return np.asarray((values - values.mean()) / (deviation if deviation > 0 else 1.0))


def _search(
    train: Sequence[Track], held_out: Sequence[Track], length: int, copies: dict[str, int]
) -> list[Leak]:
    if not train or not held_out:
        return []
    probes = _Probes(held_out, length // 2)
    leaks: list[Leak] = []
    for track in train:
        heard = _standardised(track)
        for (owner, lag), numbers in probes.alignments(heard).items():
            if not probes.any_open(numbers):
                continue
            sought = held_out[owner]
            for stretch in _stretches(heard, probes.signals[owner], lag, length):
                probes.close(owner, stretch.start, stretch.stop)
                count = copies[sought.digest]
                leaks.append(
                    Leak(
                        train=track.name,
                        held_out=sought.name,
                        train_start=(stretch.start + lag) / SFREQ,
                        held_out_start=stretch.start / SFREQ,
                        seconds=(stretch.stop - stretch.start) / SFREQ,
                        r=stretch.r,
                        copies=count,
                        n_segments=count * ((stretch.stop - stretch.start) // length),
                    )
                )
    return leaks


class _Probes:
    """The held-out probes that have not been found yet."""

    def __init__(self, held_out: Sequence[Track], n_times: int) -> None:
        self.signals = [_standardised(track) for track in held_out]
        self._n_times = n_times
        self._step = max(1, n_times // 80)
        counts = [len(signal) // n_times for signal in self.signals]
        self._owner = np.repeat(np.arange(len(counts)), counts)
        self._start = np.concatenate([np.arange(count) * n_times for count in counts])
        cut = [
            signal[: n * n_times].reshape(n, n_times) for signal, n in zip(self.signals, counts, strict=True)
        ]
        self._values = unit(np.concatenate(cut))
        self._basis = cosines(n_times, _N_COEFFICIENTS)
        self._features = self._describe(np.concatenate(cut))
        self._open = np.ones(len(self._owner), dtype=np.bool_)

    def any_open(self, numbers: Sequence[int]) -> bool:
        """Whether one of these probes is still sought."""
        return bool(self._open[list(numbers)].any())

    def close(self, owner: int, start: int, stop: int) -> None:
        """Forget the probes that lie in a stretch already found."""
        inside = (self._owner == owner) & (self._start >= start) & (self._start + self._n_times <= stop)
        self._open[inside] = False

    def alignments(self, heard: Signal) -> dict[tuple[int, int], list[int]]:
        """(held-out recording, samples by which the training signal lags it) -> probes that agree there."""
        numbers, offsets = self._candidates(heard)
        found: dict[tuple[int, int], list[int]] = {}
        padded = np.pad(heard, self._step)
        wide = sliding_window_view(padded, self._n_times + 2 * self._step)
        for first in range(0, len(numbers), 1024):
            number, offset = numbers[first : first + 1024], offsets[first : first + 1024]
            shifted = sliding_window_view(wide[offset], self._n_times, axis=1)
            product = np.einsum("csn,cn->cs", shifted, self._values[number])
            norm = np.sqrt(shifted.var(axis=2) * self._n_times)
            r = np.abs(product) / np.where(norm > 0, norm, np.inf)
            best = r.argmax(axis=1)
            good = r[np.arange(len(r)), best] > _CANDIDATE
            lags = offset + best - self._step - self._start[number]
            for probe, lag in zip(number[good], lags[good], strict=True):
                found.setdefault((int(self._owner[probe]), int(lag)), []).append(int(probe))
        return found

    def _candidates(self, heard: Signal) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        windows = sliding_window_view(heard, self._n_times)[:: self._step]
        active = np.flatnonzero(self._open)
        numbers, offsets = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for column in range(0, len(windows), _WINDOW_COLUMNS):
            features = self._describe(windows[column : column + _WINDOW_COLUMNS]).T
            for row in range(0, len(active), _PROBE_ROWS):
                rows = active[row : row + _PROBE_ROWS]
                r = self._features[rows] @ features
                if max(r.max(), -r.min()) > _CANDIDATE:
                    hit_row, hit_column = np.nonzero(np.abs(r) > _CANDIDATE)
                    numbers.append(rows[hit_row])
                    offsets.append((column + hit_column) * self._step)
        return np.concatenate(numbers), np.concatenate(offsets)

    def _describe(self, windows: Signal) -> NDArray[np.float32]:
        """Unit-length coefficients of each window ``(n, n_times)``; zero where it is a pause."""
        features = windows.astype(np.float32) @ self._basis
        norm = np.sqrt(np.einsum("nk,nk->n", features, features))
        silent = norm < ACTIVE * np.sqrt(self._n_times)
        features /= np.where(silent, np.inf, norm)[:, None]
        return features


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: int
    stop: int
    r: float


def _stretches(heard: Signal, sought: Signal, lag: int, length: int) -> list[_Stretch]:
    """Where segments of ``sought`` equal those ``lag`` samples later in ``heard``; joined if they overlap."""
    low, high = max(0, -lag), min(len(sought), len(heard) - lag)
    if high - low < length:
        return []
    ours, theirs = sought[low:high], heard[low + lag : high + lag]
    fine = sliding_r(ours, theirs, length)
    agrees = fine > THRESHOLD
    if agrees.any():
        agrees &= coarse_r(ours, theirs, length, SFREQ // _COARSE_RATE) > THRESHOLD
    stretches: list[_Stretch] = []
    for begin in np.flatnonzero(agrees):
        start, r = low + int(begin), float(fine[begin])
        if stretches and start <= stretches[-1].stop:
            start, r = stretches[-1].start, max(r, stretches[-1].r)
            stretches.pop()
        stretches.append(_Stretch(start, low + int(begin) + length, r))
    return stretches
