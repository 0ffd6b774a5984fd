"""Windows of recordings -> tensors on the device, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex
from ablab.models.decoder import UNSEEN
from ablab.training.residency import Shelf, mapped


class Batch(NamedTuple):
    """What one forward pass takes, and what it should give."""

    eeg: Tensor
    """``(batch, n_times, n_chans)`` float32."""
    envelope: Tensor
    """``(batch, n_times, 1)`` float32."""
    subject: Tensor
    """``(batch,)`` int64, columns of the subject embedding."""


def subject_columns(recordings: Sequence[Recording], subjects: Sequence[str]) -> NDArray[np.int64]:
    """Column of the subject embedding for each recording, looked up in the recorded table.

    `UNSEEN` for subjects that are not in it.
    """
    column = {subject: index for index, subject in enumerate(subjects)}
    return np.array([column.get(recording.subject, UNSEEN) for recording in recordings], dtype=np.int64)


def batches(
    recordings: Sequence[Recording] | Shelf,
    columns: NDArray[np.int64],
    index: WindowIndex,
    n_times: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[Batch]:
    """The windows of ``index`` in order, ``batch_size`` at a time; what is left makes a last, smaller batch.

    columns: per recording, its subject's column (`subject_columns`). A batch is good until the next one is
    asked for: its memory is used again. What has to cross to an accelerator is made while the batch before it
    is used.
    """
    shelf = mapped(recordings, device) if isinstance(recordings, Sequence) else recordings
    subject = torch.from_numpy(columns[index.recording]).to(device)
    take = shelf.taker(index, n_times)
    parts = (slice(start, start + batch_size) for start in range(0, len(index), batch_size))
    made = (Batch(*take(part), subject[part]) for part in parts)
    return ahead(made) if shelf.crosses else made


def ahead(made: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches in the same order, each made by a thread while the one before it is used."""
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(next, made, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, made, None)
            yield batch


def timed(made: Iterator[Batch], waited: Callable[[float], None]) -> Iterator[Batch]:
    """The batches; ``waited`` is told the seconds that each was waited for."""
    while True:
        began = perf_counter()
        batch = next(made, None)
        waited(perf_counter() - began)
        if batch is None:
            return
        yield batch


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context of a forward pass in the spec's ``training.precision``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
