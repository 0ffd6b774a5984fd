"""Where the training recordings lie while windows are drawn from them: on disk, in memory, on the device.

The windows are the same to the bit wherever they come from; only the time to get them differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex, gather
from ablab.training.laid_out import LaidOut, Signal, empty, end_to_end, shape_of, where_they_are

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


def shelve(
    recordings: Sequence[Recording], residency: Residency, device: torch.device, gpu_share: float = 1.0
) -> Shelf:
    """The recordings where ``residency`` says; ``auto`` looks at their size and at the device."""
    kind = choose(recordings, device, gpu_share) if residency == "auto" else residency
    if kind == "disk":
        return mapped(recordings, device)
    place = device if kind == "device" else _CPU
    eeg, envelope = (end_to_end(parts, place) for parts in _signals(recordings))
    return Gathered(eeg, envelope, device)


def mapped(recordings: Sequence[Recording], device: torch.device) -> Shelf:
    """The recordings as they are, in files of which the system keeps in memory what it has room for."""
    eeg, envelope = (where_they_are(parts) for parts in _signals(recordings))
    if eeg is None or envelope is None:
        return Sliced(recordings, device)
    return Gathered(eeg, envelope, device)


def choose(recordings: Sequence[Recording], device: torch.device, gpu_share: float = 1.0) -> Residency:
    """What ``auto`` is: the device where half its free memory holds them, else memory, or disk if large.

    gpu_share: of that memory, what this trial may count on; those that it shares the GPU with may have begun
    at the same time, and see as much of it free.
    """
    size = sum(recording.eeg.nbytes + recording.envelope.nbytes for recording in recordings)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(_numbered(device))
        if size <= free * _DEVICE_SHARE * gpu_share:
            return "device"
    return "memory" if size <= _MEMORY_BYTES else "disk"


class Gathered:
    """Windows as rows of one tensor of all recordings, a batch in one call."""

    def __init__(self, eeg: LaidOut, envelope: LaidOut, device: torch.device) -> None:
        self._signals, self._device = (eeg, envelope), _numbered(device)
        place = eeg.values.device
        self.crosses = place.type != device.type
        self._buffers = _buffers(place, page_locked=self.crosses and device.type == "cuda")

    def taker(self, index: WindowIndex, n_times: int) -> Taker:
        """See `Shelf.taker`."""
        copiers = [signal.copier(index, n_times) for signal in self._signals]

        def take(part: slice) -> tuple[Tensor, Tensor]:
            n = len(index[part])
            made = []
            for copy, signal, buffers in zip(copiers, self._signals, self._buffers, strict=True):
                buffer = buffers.of((n, n_times, signal.n_columns))
                copy(part, buffer)
                made.append(buffer.to(self._device))
            eeg, envelope = made
            return eeg, envelope

        return take


class Sliced:
    """Windows sliced out of recordings one by one: for those that cannot be one tensor."""

    def __init__(self, recordings: Sequence[Recording], device: torch.device) -> None:
        self._recordings = [
            Recording(part.subject, part.name, _plain(part.eeg), _plain(part.envelope)) for part in recordings
        ]
        self._n_chans, self._lengths = shape_of([part.eeg for part in recordings])
        self._device = _numbered(device)
        self.crosses = device.type != "cpu"
        self._buffers = _buffers(_CPU, page_locked=device.type == "cuda")

    def taker(self, index: WindowIndex, n_times: int) -> Taker:
        """See `Shelf.taker`."""
        index.check(self._lengths, n_times)

        def take(part: slice) -> tuple[Tensor, Tensor]:
            of = index[part]
            eeg, envelope = (
                buffers.of((len(of), n_times, width))
                for buffers, width in zip(self._buffers, (self._n_chans, 1), strict=True)
            )
            gather(self._recordings, of, n_times, eeg.numpy(), envelope.numpy())
            return eeg.to(self._device), envelope.to(self._device)

        return take


def _signals(recordings: Sequence[Recording]) -> tuple[list[Signal], list[Signal]]:
    return [part.eeg for part in recordings], [part.envelope for part in recordings]


def _plain(signal: Signal) -> Signal:
    """To take slices of: those of a `numpy.memmap` cost as much as a short window."""
    return np.asarray(signal) if isinstance(signal, np.memmap) else signal


def _numbered(device: torch.device) -> torch.device:
    """The device with its number: which GPU is the current one, each thread has an opinion of its own."""
    return torch.empty(0, device=device).device


def _buffers(place: torch.device, *, page_locked: bool) -> tuple[_Buffers, _Buffers]:
    """For EEG, and for envelopes: with one channel, their batches are of one shape."""
    return _Buffers(place, page_locked=page_locked), _Buffers(place, page_locked=page_locked)


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
                self._made[shape] = empty(shape, self._place)
        return self._made[shape]
