"""What each improvement adds to a training step on one CPU thread.

The original decoder of each size is the row that the others are divided by.
"""

from __future__ import annotations

import statistics
from time import perf_counter

import torch

from ablab.models.build import build_model
from ablab.spec.experiment import Conformer, Improvements, MsePearson
from ablab.training.losses import loss

N_CHANS, N_SUBJECTS = 64, 71
ROUNDS = 5
SIZES = {
    "d 16, 1 block, batch 8, 3 s": (Conformer(d_model=16, d_inner=64, n_heads=2, n_layers=1), 8, 192),
    "d 64, 2 blocks, batch 16, 10 s": (Conformer(d_model=64, d_inner=256, n_heads=4, n_layers=2), 16, 640),
}
IMPROVEMENTS = {
    "original": Improvements(),
    "global residual": Improvements(residual="global"),
    "gated residual": Improvements(residual="gated"),
    "MLP head": Improvements(mlp_head=True),
    "gradient scale 2": Improvements(gradient_scale=2.0),
    "v2 full": Improvements(residual="gated", mlp_head=True, gradient_scale=2.0),
}


class _Trainee:
    """One decoder with its optimiser and a fixed batch."""

    def __init__(self, model: Conformer, improvements: Improvements, batch: int, n_times: int) -> None:
        torch.manual_seed(0)
        self.decoder = build_model(model, improvements, N_CHANS, N_SUBJECTS).train()
        self.optimiser = torch.optim.Adam(self.decoder.parameters(), lr=1e-4)
        self.eeg, self.envelope = torch.randn(batch, n_times, N_CHANS), torch.randn(batch, n_times, 1)
        self.subject = torch.randint(N_SUBJECTS, (batch,))

    def step_seconds(self) -> float:
        begun = perf_counter()
        self.optimiser.zero_grad()
        loss(self.decoder(self.eeg, self.subject), self.envelope, MsePearson()).backward()
        self.optimiser.step()
        return perf_counter() - begun


def measure() -> list[dict[str, str | float]]:
    """One row per size and improvement; all improvements take turns, so that a drifting machine slows all."""
    torch.set_num_threads(1)
    rows: list[dict[str, str | float]] = []
    for size, (model, batch, n_times) in SIZES.items():
        trainees = {name: _Trainee(model, toggles, batch, n_times) for name, toggles in IMPROVEMENTS.items()}
        rounds = [
            {name: trainee.step_seconds() for name, trainee in trainees.items()} for _ in range(ROUNDS + 1)
        ]
        rows += [
            {
                "size": size,
                "improvement": name,
                "step_ms": round(1000 * statistics.median(seconds[name] for seconds in rounds[1:]), 1),
                "ratio_to_original": round(
                    statistics.median(seconds[name] / seconds["original"] for seconds in rounds[1:]), 2
                ),
            }
            for name in IMPROVEMENTS
        ]
    return rows
