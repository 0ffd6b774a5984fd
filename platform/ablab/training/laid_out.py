"""One signal of many recordings as one flat tensor to gather windows from: a copy, or the mapped files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablab.data.windows import WindowIndex

Signal = NDArray[np.float32]

_MOST_ELEMENTS = 2**36
"""From the first mapped one to the last (256 GiB). PyTorch counts the elements of all windows together, in 63
bits; windows may so have 2^27 elements, nine hours of 64 channels."""


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """EEG, or envelopes, of all recordings."""

    values: Tensor
    """``(n,)`` float32; what lies between recordings belongs to none."""
    first: NDArray[np.int64]
    """Position of each recording's first element."""
    n_times: NDArray[np.int64]
    """Samples of each recording."""
    n_columns: int
    step: int
    """What all positions are multiples of."""

    def copier(self, index: WindowIndex, n_times: int) -> Callable[[slice, Tensor], None]:
        """What copies a part of the windows of ``index``, in order, into ``(n, n_times, n_columns)``.

        Raises ValueError where one does not lie within its recording.
        """
        index.check(self.n_times, n_times)  # what is beyond may be anybody's memory
        length = n_times * self.n_columns
        # Of a view of all windows, which overlap, those that are wanted are rows.
        n_rows = max((len(self.values) - length) // self.step + 1, 0)
        rows = self.values.as_strided((n_rows, length), (self.step, 1))
        begin = (self.first[index.recording] + index.start * self.n_columns) // self.step
        # All at once: part by part, the host would wait for the device at each.
        places = torch.from_numpy(begin).to(self.values.device)

        def copy(part: slice, into: Tensor) -> None:
            torch.index_select(rows, 0, places[part], out=into.view(-1, length))

        return copy


def end_to_end(parts: Sequence[Signal], place: torch.device) -> LaidOut:
    """A copy on the device ``place``."""
    n_columns, lengths = shape_of(parts)
    ends = [n_columns * end for end in accumulate(lengths.tolist(), initial=0)]
    values = empty((ends[-1],), place)
    for begin, end, part in zip(ends[:-1], ends[1:], parts, strict=True):
        # Recording by recording: the whole never lies in memory beside its copy on the device.
        values[begin:end] = torch.from_numpy(np.array(part, dtype=np.float32, order="C").ravel())
    return LaidOut(values, np.array(ends[:-1], dtype=np.int64), lengths, n_columns, step=n_columns)


def where_they_are(parts: Sequence[Signal]) -> LaidOut | None:
    """No copy, but the memory from the first of them to the last; what is between is never read.

    None where that cannot be: a window of one is not a run of float32 in memory (files in Fortran order, rows
    that are put together as they are read), or the first is too far from the last.
    """
    if not parts or not all(map(_is_a_run_of_float32, parts)):
        return None
    n_columns, lengths = shape_of(parts)
    addresses = np.array([part.ctypes.data for part in parts], dtype=np.int64)
    begin = int(addresses.min())
    first = (addresses - begin) // 4
    n = int((first + lengths * n_columns).max())
    if n > _MOST_ELEMENTS:
        return None
    values = torch.from_numpy(np.asarray(_Span(begin, n, tuple(parts))))
    return LaidOut(values, first, lengths, n_columns, step=1)


def empty(shape: tuple[int, ...], place: torch.device) -> Tensor:
    """Fresh float32 memory; on a CPU from NumPy, which asks for large pages, and PyTorch does not.

    Windows drawn at random from ordinary pages wait a third of their time for the page table.
    """
    if place.type == "cpu":
        return torch.from_numpy(np.empty(shape, dtype=np.float32))
    return torch.empty(shape, device=place)


def shape_of(parts: Sequence[Signal]) -> tuple[int, NDArray[np.int64]]:
    """Columns, the same in all, and samples of each. Raises ValueError where columns differ."""
    (n_columns, *others) = dict.fromkeys(part.shape[1] for part in parts)
    if others:
        raise ValueError(f"recordings of {n_columns} and of {others[0]} columns")
    return n_columns, np.array([len(part) for part in parts], dtype=np.int64)


def _is_a_run_of_float32(part: Signal) -> bool:
    return (
        isinstance(part, np.ndarray)  # and nothing that only reads like one
        and part.dtype == np.float32
        and part.flags.c_contiguous
        and part.flags.aligned
    )


class _Span:
    """Memory as NumPy asks for it (``__array_interface__``); keeps alive what lies in it.

    Said to be writable, as PyTorch warns of what is not. Nobody writes.
    """

    def __init__(self, begin: int, n: int, parts: tuple[Signal, ...]) -> None:
        self.parts = parts
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": np.dtype(np.float32).str,
            "shape": (n,),
            "data": (begin, False),
        }
