"""Windows of recordings -> tensors on the device, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex, gather


class Batch(NamedTuple):
    """What one forward pass takes, and what it should give."""

    eeg: Tensor
    """``(batch, n_times, n_chans)`` float32."""
    envelope: Tensor
    """``(batch, n_times, 1)`` float32."""
    subject: Tensor
    """``(batch,)`` int64, columns of the subject embedding."""


def subject_columns(recordings: Sequence[Recording], subjects: Sequence[str]) -> NDArray[np.int64]:
    """Column of the subject embedding for each recording, looked up in the recorded table."""
    column = {subject: index for index, subject in enumerate(subjects)}
    return np.array([column[recording.subject] for recording in recordings], dtype=np.int64)


def batches(
    recordings: Sequence[Recording],
    columns: NDArray[np.int64],
    index: WindowIndex,
    n_times: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[Batch]:
    """The windows of ``index`` in order, ``batch_size`` at a time; what is left makes a last, smaller batch.

    columns: per recording, its subject's column (`subject_columns`).
    """
    for start in range(0, len(index), batch_size):
        windows = gather(recordings, index[start : start + batch_size], n_times)
        yield Batch(
            torch.from_numpy(windows.eeg).to(device),
            torch.from_numpy(windows.envelope).to(device),
            torch.from_numpy(columns[windows.recording]).to(device),
        )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context of a forward pass in the spec's ``training.precision``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
