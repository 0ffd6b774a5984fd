"""What each diagnostics preset adds to a training step, measuring and writing it down: on a CPU or a GPU.

In an observed step the session's own calls are timed, and TensorBoard's writing of what they give; divided by
the default interval, that is what a step costs on average. Timed within one run, beside the plain step.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch

from ablab.diagnostics.presets import HISTOGRAM_EVERY
from ablab.diagnostics.session import Diagnostics
from ablab.models.build import build_model
from ablab.spec.experiment import Conformer, Experiment, Improvements, MsePearson
from ablab.tracking.tensorboard import TensorBoardObserver
from ablab.training.losses import loss

N_CHANS, N_SUBJECTS = 64, 71
ROUNDS = 4
PRESETS = ("cheap", "full")
INTERVAL = Experiment(name="default").diagnostics.every_steps
V2_FULL = Improvements(residual="gated", mlp_head=True, gradient_scale=2.0)
ON_CPU = {
    "d 16, 1 block, batch 8, 3 s": (Conformer(d_model=16, d_inner=64, n_heads=2, n_layers=1), 8, 192),
    "d 64, 2 blocks, batch 16, 10 s": (Conformer(d_model=64, d_inner=256, n_heads=4, n_layers=2), 16, 640),
    "d 256, 8 blocks, batch 2, 10 s": (Conformer(), 2, 640),
}
ON_GPU = {
    "d 64, 2 blocks, batch 16, 10 s": (Conformer(d_model=64, d_inner=256, n_heads=4, n_layers=2), 16, 640),
    "d 256, 8 blocks, batch 32, 10 s": (Conformer(), 32, 640),
}


def _now() -> float:
    """The time, behind all that the GPU has been asked to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return perf_counter()


def _timed(spent: list[float], act: Callable[[], object]) -> object:
    begun = _now()
    result = act()
    spent.append(_now() - begun)
    return result


def _costs(
    model: Conformer, batch: int, n_times: int, preset: str, folder: Path, device: str
) -> tuple[float, ...]:
    """Median seconds of a step without diagnostics, of measuring, of writing metrics, and of histograms."""
    torch.manual_seed(0)
    decoder = build_model(model, V2_FULL, N_CHANS, N_SUBJECTS).to(device).train()
    optimiser = torch.optim.Adam(decoder.parameters(), lr=1e-4, fused=True)
    eeg = torch.randn(batch, n_times, N_CHANS, device=device)
    envelope = torch.randn(batch, n_times, 1, device=device)
    subject = torch.randint(N_SUBJECTS, (batch,), device=device)
    session = Diagnostics(preset, 1, decoder, 2.0)
    observer = TensorBoardObserver(folder)
    observer.metrics(0, {"a": 0.0})  # opens the files
    every = HISTOGRAM_EVERY[preset]
    step_s, measuring, writing, drawing = [], [], [], []
    for step in range(every, every * (ROUNDS + 1) + 1, every):  # every one of them draws histograms
        begun = _now()
        spent: list[float] = []
        optimiser.zero_grad()
        _timed(spent, lambda step=step: session.before_forward(step))
        loss(decoder(eeg, subject), envelope, MsePearson()).backward()
        _timed(spent, lambda: session.clipped(False))
        copies: list[float] = []
        _timed(copies, lambda step=step: session.before_update(step))
        optimiser.step()
        metrics = _timed(spent, lambda step=step: session.after_update(step))
        write: list[float] = []
        _timed(write, lambda step=step, metrics=metrics: observer.metrics(step, metrics))
        _timed(write, observer.flush)  # a thread writes, and takes its time from the loop's
        draw: list[float] = []
        _timed(draw, lambda step=step: observer.histograms(step, session.histograms(step)))
        _timed(draw, observer.flush)
        extra = sum(spent) + copies[0] + sum(write) + sum(draw)
        step_s.append(_now() - begun - extra)
        measuring.append(sum(spent) + copies[0])
        writing.append(sum(write))
        drawing.append(sum(draw))
    observer.close()
    return tuple(statistics.median(values[1:]) for values in (step_s, measuring, writing, drawing))


def measure(device: str = "cpu") -> list[dict[str, str | float]]:
    """One row per size and preset; ``percent_of_step`` is at the default interval."""
    if device == "cpu":
        torch.set_num_threads(1)
    rows: list[dict[str, str | float]] = []
    for size, (model, batch, n_times) in (ON_CPU if device == "cpu" else ON_GPU).items():
        for preset in PRESETS:
            with tempfile.TemporaryDirectory() as folder:
                step, measuring, writing, drawing = _costs(
                    model, batch, n_times, preset, Path(folder), device
                )
            per_step = (measuring + writing + drawing / HISTOGRAM_EVERY[preset]) / INTERVAL
            rows.append(
                {
                    "size": size,
                    "preset": preset,
                    "step_ms": round(1000 * step, 1),
                    "measuring_ms": round(1000 * measuring, 2),
                    "writing_ms": round(1000 * writing, 2),
                    "histograms_ms": round(1000 * drawing, 1),
                    "interval": INTERVAL,
                    "percent_of_step": round(100 * per_step / step, 2),
                }
            )
    return rows
