"""Where the training recordings lie while windows are drawn from them: on disk, in memory, on the device.

The windows are the same to the bit wherever they come from; only the time to get them differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex, Windows, gather

Residency = Literal["auto", "disk", "memory", "device"]

_CPU = torch.device("cpu")

_MEMORY_BYTES = 2**28
"""Most that ``auto`` copies into memory: every worker of a grid holds a copy of its own, while the pages of
memory-mapped files are shared by all of them."""

_DEVICE_SHARE = 0.5
"""Most of an accelerator's free memory that ``auto`` fills; the rest is the training's."""


Taker = Callable[[slice], tuple[Tensor, Tensor]]
"""A part of an index -> its EEG ``(n, n_times, n_chans)`` and envelope ``(n, n_times, 1)`` on the device, in
order. Where the recordings lie on the device itself, or all is on a CPU, the next call may overwrite them."""


class Shelf(Protocol):
    """Recordings to take windows from."""

    @property
    def crosses(self) -> bool:
        """Whether windows are made in the host's memory and go on to an accelerator."""
        ...

    def taker(self, index: WindowIndex, n_times: int) -> Taker:
        """What gives the windows of ``index``, part by part."""
        ...


def shelve(recordings: Sequence[Recording], residency: Residency, device: torch.device) -> Shelf:
    """The recordings where ``residency`` says; ``auto`` looks at their size and at the device."""
    kind = choose(recordings, device) if residency == "auto" else residency
    if kind == "disk":
        return Mapped(recordings, device)
    return Resident(recordings, device if kind == "device" else _CPU, device)


def choose(recordings: Sequence[Recording], device: torch.device) -> Residency:
    """What ``auto`` is: the device where half its free memory holds them, else memory, or disk if large."""
    size = sum(recording.eeg.nbytes + recording.envelope.nbytes for recording in recordings)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if size <= free * _DEVICE_SHARE:
            return "device"
    return "memory" if size <= _MEMORY_BYTES else "disk"


class Mapped:
    """Memory-mapped files; the system keeps in memory what it has room for."""

    def __init__(self, recordings: Sequence[Recording], device: torch.device) -> None:
        # Slices of plain arrays: those of `numpy.memmap` cost as much as a short window.
        self._recordings = [
            Recording(part.subject, part.name, np.asarray(part.eeg), np.asarray(part.envelope))
            for part in recordings
        ]
        self._device = _numbered(device)
        self.crosses = device.type != "cpu"
        self._buffers = _Buffers(_CPU, page_locked=device.type == "cuda")

    def taker(self, index: WindowIndex, n_times: int) -> Taker:
        """See `Shelf.taker`."""
        n_chans = self._recordings[0].eeg.shape[1]

        def take(part: slice) -> tuple[Tensor, Tensor]:
            of = index[part]
            eeg, envelope = (self._buffers.of((len(of), n_times, width)) for width in (n_chans, 1))
            gather(self._recordings, of, n_times, into=Windows(eeg.numpy(), envelope.numpy(), of.recording))
            return eeg.to(self._device), envelope.to(self._device)

        return take


class Resident:
    """All recordings end to end in one tensor, of which a window is a row of a view that overlaps itself."""

    def __init__(self, recordings: Sequence[Recording], place: torch.device, device: torch.device) -> None:
        lengths = [recording.n_times for recording in recordings]
        self._first = np.array([0, *accumulate(lengths)][:-1], dtype=np.int64)
        self._place, self._device = place, _numbered(device)
        self.crosses = place.type != device.type
        self._signals = tuple(
            _joined([getattr(recording, name) for recording in recordings], place)
            for name in ("eeg", "envelope")
        )
        self._buffers = _Buffers(place, page_locked=self.crosses and device.type == "cuda")

    def taker(self, index: WindowIndex, n_times: int) -> Taker:
        """See `Shelf.taker`."""
        # All at once: part by part, the host would wait for the device at each.
        starts = torch.from_numpy(self._first[index.recording] + index.start).to(self._place)

        def take(part: slice) -> tuple[Tensor, Tensor]:
            eeg, envelope = (self._rows(signal, starts[part], n_times) for signal in self._signals)
            return eeg, envelope

        return take

    def _rows(self, signal: Tensor, starts: Tensor, n_times: int) -> Tensor:
        n_columns = signal.shape[1]
        view = signal.as_strided((len(signal) - n_times + 1, n_times * n_columns), (n_columns, 1))
        rows = self._buffers.of((len(starts), n_times, n_columns))
        torch.index_select(view, 0, starts, out=rows.view(len(starts), -1))
        return rows.to(self._device)


def _numbered(device: torch.device) -> torch.device:
    """The device with its number: which GPU is the current one, each thread has an opinion of its own."""
    return torch.empty(0, device=device).device


class _Buffers:
    """The memory that batches are made in, by shape, used again: the pages of fresh memory would have to be
    made for every batch, which costs as much as the copy."""

    def __init__(self, place: torch.device, *, page_locked: bool) -> None:
        """page_locked: for what goes on to a GPU, which reads such memory faster."""
        self._place, self._page_locked = place, page_locked
        self._made: dict[tuple[int, int, int], Tensor] = {}

    def of(self, shape: tuple[int, int, int]) -> Tensor:
        if shape not in self._made:
            if self._page_locked:
                self._made[shape] = torch.empty(shape, pin_memory=True)
            else:
                self._made[shape] = _empty(shape, self._place)
        return self._made[shape]


def _empty(shape: tuple[int, ...], place: torch.device) -> Tensor:
    """Fresh float32 memory; on a CPU from NumPy, which asks for large pages, and PyTorch does not.

    Windows drawn at random from ordinary pages wait a third of their time for the page table.
    """
    if place.type == "cpu":
        return torch.from_numpy(np.empty(shape, dtype=np.float32))
    return torch.empty(shape, device=place)


def _joined(
    parts: Sequence[np.ndarray[tuple[int, int], np.dtype[np.float32]]], place: torch.device
) -> Tensor:
    joined = _empty((sum(len(part) for part in parts), parts[0].shape[1]), place)
    end = 0
    for part in parts:
        # Recording by recording: the whole never lies in memory beside its copy on the device.
        joined[end : end + len(part)] = torch.from_numpy(np.array(part, dtype=np.float32))
        end += len(part)
    return joined
