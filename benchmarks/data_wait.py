"""The share of its time that the training loop waits for data: from disk and memory, at small and full size.

The loop's own steps on one CPU thread, with the count that every run reports as
``throughput/data_wait_share``. The first epoch, in which the system reads the files, does not count.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import torch

from ablab.data.corpus import SFREQ, Corpus, Recording, samples
from ablab.data.windows import draw_epoch
from ablab.diagnostics.session import Diagnostics
from ablab.models.build import build_model
from ablab.spec.experiment import Conformer, Experiment, Simulated, Training
from ablab.spec.trial import Cell, Trial
from ablab.training.batches import batches
from ablab.training.evaluate import Setting
from ablab.training.observer import Observer
from ablab.training.residency import Residency, shelve
from ablab.training.steps import Steps, Tally
from benchmarks.loader import N_RECORDINGS, noise_recordings

N_CHANS, BATCH, CPU = 64, 8, torch.device("cpu")
SMALL = Conformer(d_model=16, d_inner=64, n_heads=2, n_layers=1)
CASES = {
    "d 16, 1 block, batch 8, 3 s": (SMALL, 3.0, 40),
    "d 256, 8 blocks, batch 8, 10 s": (Conformer(), 10.0, 2),
}
"""Model, window in seconds, steps that count."""


def measure() -> list[dict[str, str | int | float]]:
    """One row per size and residency; on a busy machine only the share of CPU time is the loader's doing."""
    torch.set_num_threads(1)
    rows: list[dict[str, str | int | float]] = []
    for size, (model, seconds, n_steps) in CASES.items():
        for residency in ("disk", "memory"):
            tally, step, batch = _measured(model, seconds, n_steps, residency)
            rows.append(
                {
                    "size": size,
                    "residency": residency,
                    "steps": n_steps,
                    "step_ms": round(1000 * tally.seconds / n_steps, 1),
                    "waited_ms": round(1000 * tally.waited / n_steps, 3),
                    "percent_of_time": round(100 * tally.waited / tally.seconds, 3),
                    "step_cpu_ms": round(1000 * step, 1),
                    "batch_cpu_ms": round(1000 * batch, 3),
                    "percent_of_cpu_time": round(100 * batch / step, 3),
                }
            )
    return rows


def _measured(
    model: Conformer, seconds: float, n_steps: int, residency: Residency
) -> tuple[Tally, float, float]:
    """The loop's count over an epoch; CPU seconds of one step, data included, and of one batch."""
    n_recordings = min(N_RECORDINGS, n_steps * BATCH)
    experiment = Experiment(
        name="data_wait",
        dataset=Simulated(
            window_seconds=seconds,
            windows_per_recording=n_steps * BATCH // n_recordings,
            residency=residency,
        ),
        model=model,
        training=Training(batch_size=BATCH),
    )
    trial = Trial("0" * 32, "data_wait", Cell("data_wait", "data_wait", {}, experiment), 0, "0" * 32)
    with tempfile.TemporaryDirectory() as folder:
        train = tuple(noise_recordings(Path(folder), N_CHANS)[:n_recordings])
        corpus = Corpus(N_CHANS, SFREQ, ("s",), train, (), (), "0" * 32, (), True)
        decoder = build_model(model, experiment.improvements, N_CHANS, 1)
        window = samples(seconds)
        setting = Setting(window, window, BATCH, "float32", CPU, corpus.subjects)
        steps = Steps(trial, corpus, decoder, setting, Diagnostics("off", 1, decoder, 1.0), Observer())
        steps.epoch(lambda: None)
        steps.end_epoch()
        begun = process_time()
        tally = steps.epoch(lambda: None)
        step = (process_time() - begun) / n_steps
        return tally, step, _batch_seconds(train, residency, window, n_steps)


def _batch_seconds(train: tuple[Recording, ...], residency: Residency, window: int, n_steps: int) -> float:
    shelf, columns = shelve(train, residency, CPU), np.zeros(len(train), dtype=np.int64)
    per_recording, rng = n_steps * BATCH // len(train), np.random.default_rng(0)
    taken = []
    for _ in range(3):
        index = draw_epoch([len(part.eeg) for part in train], window, per_recording, rng)
        begun = process_time()
        for _batch in batches(shelf, columns, index, window, BATCH, CPU):
            pass
        taken.append((process_time() - begun) / n_steps)
    return statistics.median(taken)
