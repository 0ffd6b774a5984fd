"""What the trained stack and its blocks contribute to validation r: bypass drops of a finished decoder."""

from __future__ import annotations

import math

import numpy as np
import torch

from ablab.data.corpus import Corpus
from ablab.data.windows import WindowIndex
from ablab.diagnostics.bypass import bypass_drops
from ablab.diagnostics.presets import BYPASSED
from ablab.models.decoder import Decoder
from ablab.training.batches import autocast, batches, subject_columns
from ablab.training.evaluate import Setting, evaluate

_WINDOWS = 128
"""Training windows that the mean activation is taken over, at least one per recording: with hundreds of
samples in each, its standard error is a few per cent of the activation's own spread."""
_BATCH = 32


def contribution(
    decoder: Decoder, corpus: Corpus, setting: Setting, preset: str, validation: float
) -> dict[str, float]:
    """``bypass/<group>``: validation r minus r with the group's branch at its training mean.

    preset: ``cheap`` measures the stack, ``full`` each block too, ``off`` nothing. validation: r of the
    decoder as it is, on the same recordings. Leaves weights, modes and random state as they were.
    """
    if preset not in BYPASSED:
        return {}

    def see_training() -> None:
        index = evenly_spaced([recording.n_times for recording in corpus.train], setting.n_window, _WINDOWS)
        columns = subject_columns(corpus.train, corpus.subjects)
        training = decoder.training
        decoder.eval()
        with torch.inference_mode(), autocast(setting.precision, setting.device):
            for batch in batches(corpus.train, columns, index, setting.n_window, _BATCH, setting.device):
                decoder(batch.eeg, batch.subject)
        decoder.train(training)

    return bypass_drops(
        decoder,
        validation,
        see_training=see_training,
        evaluate=lambda: evaluate(decoder, corpus.validation, setting, "validation, bypassed").scores.mean,
        each_block=BYPASSED[preset],
    )


def evenly_spaced(lengths: list[int], n_times: int, n_windows: int) -> WindowIndex:
    """About ``n_windows`` windows of ``n_times``, the same number from each recording, at even distances.

    >>> evenly_spaced([100, 50], 20, 4).start.tolist()
    [20, 60, 7, 23]
    """
    per_recording = max(1, math.ceil(n_windows / len(lengths)))
    shares = (np.arange(per_recording) + 0.5) / per_recording
    starts = [np.floor(shares * (length - n_times + 1)).astype(np.int64) for length in lengths]
    recordings = np.repeat(np.arange(len(lengths), dtype=np.int64), per_recording)
    return WindowIndex(recordings, np.concatenate(starts))
