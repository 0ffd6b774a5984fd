"""The share of its time that the training loop waits for data: from disk, memory and a GPU, by size.

The loop's own steps, on one CPU thread or on a GPU, with the count that every run reports as
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
from ablab.models.compiled import compile_decoder
from ablab.spec.experiment import Conformer, Experiment, Simulated, Training
from ablab.spec.trial import Cell, Trial
from ablab.training.batches import batches
from ablab.training.evaluate import Setting
from ablab.training.observer import Observer
from ablab.training.residency import Residency, shelve
from ablab.training.seeds import reproducible
from ablab.training.steps import Steps, Tally
from benchmarks.loader import noise_recordings

N_CHANS, CPU = 64, torch.device("cpu")
SMALL = Conformer(d_model=16, d_inner=64, n_heads=2, n_layers=1)
MEDIUM = Conformer(d_model=64, d_inner=256, n_heads=4, n_layers=2)
ON_CPU = {
    "d 16, 1 block, batch 8, 3 s": (SMALL, Training(batch_size=8), 3.0, 40),
    "d 256, 8 blocks, batch 8, 10 s": (Conformer(), Training(batch_size=8), 10.0, 2),
}
FAST = Training(batch_size=32, precision="bfloat16", compile=True)
ON_GPU = {
    "d 64, 2 blocks, batch 16, 10 s": (MEDIUM, Training(batch_size=16), 10.0, 100),
    "d 256, 8 blocks, batch 32, 10 s, bfloat16, compiled": (Conformer(), FAST, 10.0, 100),
}
"""Model, training, window in seconds, steps that count."""


def measure(device: str = "cpu") -> list[dict[str, str | int | float]]:
    """One row per size and residency; on a busy machine only the share of CPU time is the loader's doing."""
    place = torch.device(device)
    on_gpu = place.type == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)
    residencies: tuple[Residency, ...] = ("disk", "memory", "device") if on_gpu else ("disk", "memory")
    cases = [
        (size, case, residency)
        for size, case in (ON_GPU if on_gpu else ON_CPU).items()
        for residency in residencies
    ]
    rows: list[dict[str, str | int | float]] = []
    with tempfile.TemporaryDirectory() as folder:
        recordings = noise_recordings(Path(folder), N_CHANS)
        for size, (model, training, seconds, n_steps), residency in cases:
            tally, step, batch = _measured(recordings, model, training, seconds, n_steps, residency, place)
            row: dict[str, str | int | float] = {
                "size": size,
                "residency": residency,
                "steps": n_steps,
                "step_ms": round(1000 * tally.seconds / n_steps, 1),
                "waited_ms": round(1000 * tally.waited / n_steps, 3),
                "percent_of_time": round(100 * tally.waited / tally.seconds, 3),
            }
            if on_gpu:
                row["windows_per_second"] = round(tally.windows / tally.seconds)
            else:
                row["step_cpu_ms"] = round(1000 * step, 1)
                row["batch_cpu_ms"] = round(1000 * batch, 3)
                row["percent_of_cpu_time"] = round(100 * batch / step, 3)
            rows.append(row)
    return rows


def _measured(
    recordings: list[Recording],
    model: Conformer,
    training: Training,
    seconds: float,
    n_steps: int,
    residency: Residency,
    device: torch.device,
) -> tuple[Tally, float, float]:
    """The loop's count over an epoch; CPU seconds of one step, data included, and of one batch."""
    batch_size = training.batch_size
    train = tuple(recordings[: n_steps * batch_size])
    experiment = Experiment(
        name="data_wait",
        dataset=Simulated(
            window_seconds=seconds,
            windows_per_recording=n_steps * batch_size // len(train),
            residency=residency,
        ),
        model=model,
        training=training,
    )
    trial = Trial("0" * 32, "data_wait", Cell("data_wait", "data_wait", {}, experiment), 0, "0" * 32)
    corpus = Corpus(N_CHANS, SFREQ, ("s",), train, (), (), "0" * 32, (), True)
    window = samples(seconds)
    setting = Setting(window, window, batch_size, training.precision, device, corpus.subjects)
    with reproducible(torch.get_num_threads(), device):
        decoder = build_model(model, experiment.improvements, N_CHANS, 1).to(device)
        if training.compile:
            compile_decoder(decoder)
        steps = Steps(trial, corpus, decoder, setting, Diagnostics("off", 1, decoder, 1.0), Observer())
        steps.epoch(lambda: None)
        steps.end_epoch()
        begun = process_time()
        tally = steps.epoch(lambda: None)
        step = (process_time() - begun) / n_steps
        return tally, step, _batch_seconds(train, residency, window, n_steps, batch_size, device)


def _batch_seconds(
    train: tuple[Recording, ...],
    residency: Residency,
    window: int,
    n_steps: int,
    batch_size: int,
    device: torch.device,
) -> float:
    shelf, columns = shelve(train, residency, device), np.zeros(len(train), dtype=np.int64)
    per_recording, rng = n_steps * batch_size // len(train), np.random.default_rng(0)
    taken = []
    for _ in range(3):
        index = draw_epoch([len(part.eeg) for part in train], window, per_recording, rng)
        begun = process_time()
        for _batch in batches(shelf, columns, index, window, batch_size, device):
            pass
        taken.append((process_time() - begun) / n_steps)
    return statistics.median(taken)
