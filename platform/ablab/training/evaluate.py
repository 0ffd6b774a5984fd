"""A decoder and whole recordings -> predictions and their scores. Changes nothing in the decoder.

The processes of a trial share the batches out and hand one another what they decoded, exactly: each then has
all predictions and the same scores, and all of them call what is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex
from ablab.errors import NonFiniteLossError
from ablab.models.compiled import uncompiled
from ablab.models.decoder import Decoder
from ablab.scoring.aggregate import Scores, subject_means
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import Loss
from ablab.training.batches import autocast, batches, subject_columns
from ablab.training.distributed import ALONE, World
from ablab.training.losses import loss as loss_of
from ablab.training.shards import evaluation_rows

_LEAST_BATCH = 32
"""Windows per forward pass at least; without gradients this many need less memory than 8 with them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a decoder is trained and how it is evaluated; the same all through a trial."""

    n_window: int
    """Samples of a decoded window."""
    n_segment: int
    """Samples of a scored segment."""
    batch_size: int
    precision: str
    device: torch.device
    subjects: tuple[str, ...]
    """Subject of each column of the embedding; any other was not trained on."""
    world: World = ALONE
    """The processes that share the work."""
    gpu_share: float = 1.0
    """Of a GPU, what is this trial's."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Predictions of a set of recordings, in their order, and the scores."""

    predictions: tuple[NDArray[np.float32], ...]
    """Per recording ``(n_times,)``."""
    scores: Scores


def evaluate(decoder: Decoder, recordings: Sequence[Recording], setting: Setting, name: str) -> Evaluation:
    """Decode whole recordings and score them: r per segment, recording, subject, over subjects.

    name: what is being evaluated, for the message of the NonFiniteLossError that a prediction which is not
    finite raises: leaving it out of the mean would hide that training has diverged.
    """
    predictions = predict(decoder, recordings, setting)
    for recording, prediction in zip(recordings, predictions, strict=True):
        wrong = int(np.count_nonzero(~np.isfinite(prediction)))
        if wrong:
            raise NonFiniteLossError(
                f"{name}: {wrong} of the {len(prediction)} samples predicted for "
                f"{recording.subject}/{recording.name} are NaN or infinite; "
                "try a lower training.learning_rate or training.clip_norm=1.0"
            )
    segment_r = [
        segment_pearson(prediction, recording.envelope[:, 0], setting.n_segment)
        for recording, prediction in zip(recordings, predictions, strict=True)
    ]
    subjects = [recording.subject for recording in recordings]
    scores = subject_means(segment_r, subjects, unseen=set(subjects) - set(setting.subjects))
    return Evaluation(tuple(predictions), scores)


def predict(decoder: Decoder, recordings: Sequence[Recording], setting: Setting) -> list[NDArray[np.float32]]:
    """Consecutive windows decoded and joined: per recording ``(n_times,)``.

    Where a recording's length is no multiple of the window, one more window ends where the recording ends,
    and only what is new in it is used. A recording shorter than a window is decoded as one short window.

    Every process takes over the first one's buffers before it decodes. A compiled decoder decodes uncompiled:
    what is made for the batches of training would have to be made again for these, and a score should not
    depend on who asks for it.
    """
    predictions = [np.empty(recording.n_times, dtype=np.float32) for recording in recordings]
    columns = subject_columns(recordings, setting.subjects)
    batch_size = max(setting.batch_size, _LEAST_BATCH)
    tables = _windows(recordings, setting.n_window)
    world = setting.world
    training = decoder.training
    world.synchronise(decoder)
    decoder.eval()
    own: list[NDArray[np.float32]] = []
    with torch.inference_mode(), uncompiled(decoder), autocast(setting.precision, setting.device):
        for length, index, _ in tables:
            rows = evaluation_rows(len(index), batch_size, world.rank, world.size)
            decoded = [
                decoder(batch.eeg, batch.subject)[:, :, 0].float().cpu().numpy()
                for batch in batches(recordings, columns, index[rows], length, batch_size, setting.device)
            ]
            own.append(np.concatenate(decoded) if decoded else np.empty((0, length), dtype=np.float32))
    decoder.train(training)
    for rank, parts in enumerate(world.gather(own)):
        for (length, index, first), part in zip(tables, parts, strict=True):
            rows = evaluation_rows(len(index), batch_size, rank, world.size)
            for row, window in zip(rows, part, strict=True):
                end = index.start[row] + length
                predictions[index.recording[row]][first[row] : end] = window[first[row] - end :]
    return predictions


def window_loss(
    predictions: Sequence[NDArray[np.float32]], recordings: Sequence[Recording], n_window: int, spec: Loss
) -> float | None:
    """The training loss over the consecutive whole windows of all recordings, each counting the same.

    None where no recording holds a whole window.
    """
    predicted, true = [], []
    for prediction, recording in zip(predictions, recordings, strict=True):
        n_whole = len(prediction) // n_window * n_window
        predicted.append(prediction[:n_whole].reshape(-1, n_window, 1))
        true.append(recording.envelope[:n_whole].reshape(-1, n_window, 1))
    if not sum(len(windows) for windows in predicted):
        return None
    return loss_of(
        torch.from_numpy(np.concatenate(predicted)), torch.from_numpy(np.concatenate(true)), spec
    ).item()


def _windows(
    recordings: Sequence[Recording], n_window: int
) -> list[tuple[int, WindowIndex, NDArray[np.int64]]]:
    """Windows to decode, by their length: (length, index, first sample of each that is not yet covered)."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for number, recording in enumerate(recordings):
        length = min(n_window, recording.n_times)
        found.setdefault(length, []).extend(
            (number, min(first, recording.n_times - length), first)
            for first in range(0, recording.n_times, length)
        )
    tables = {length: np.array(rows, dtype=np.int64) for length, rows in found.items()}
    return [(length, WindowIndex(table[:, 0], table[:, 1]), table[:, 2]) for length, table in tables.items()]
