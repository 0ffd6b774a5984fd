"""What the gradient scale changes: 100 steps of Adam, Adam with clipping and SGD at scale 1, 2 and 3.

The same seed, weights, windows and dropout masks at every scale, simulated listeners. Against scale 1: how
far apart the stack's weights end, relative to how far they have gone; validation r; and by how much the
guide's ratio is larger, at the same first step and at the end.
"""

from __future__ import annotations

import math
import tempfile
from itertools import product
from pathlib import Path

import torch

from ablab.data.corpus import Corpus
from ablab.data.datasets import open_corpus
from ablab.models.build import build_model
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.load import with_values
from ablab.spec.trial import Cell, Trial
from ablab.training.checkpoint import load
from ablab.training.observer import Observer
from ablab.training.run import run
from ablab.training.seeds import Stream, seed_torch

SCALES = (1.0, 2.0, 3.0)
RESIDUALS = ("none", "gated")
"""Without a residual all gradients before the head carry the factor; with one, the front end's do not."""
SEED = 0
OPTIMISERS: dict[str, dict[str, str | float]] = {
    "Adam": {"training.optimizer": "adam", "training.learning_rate": 2e-3},
    "Adam, clip 1.0": {
        "training.optimizer": "adam",
        "training.learning_rate": 2e-3,
        "training.clip_norm": 1.0,
    },
    "SGD": {"training.optimizer": "sgd", "training.learning_rate": 1e-2},
}
SMALL = {
    "dataset.kind": "simulated",
    "dataset.n_subjects": 4,
    "dataset.minutes": 8.0,
    "dataset.window_seconds": 2.0,
    "dataset.windows_per_recording": 10,
    "model.d_model": 16,
    "model.d_inner": 64,
    "model.n_heads": 2,
    "model.n_layers": 1,
    "model.drop_prob": 0.1,
    "training.batch_size": 8,
    "training.epochs": 5,
    "training.evaluate_every": 5,
    "training.schedule.kind": "constant",
    "training.loss.kind": "mse_pearson",
    "evaluation.segment_seconds": 2.0,
    "diagnostics.preset": "cheap",
    "diagnostics.every_steps": 100,
}
"""4 subjects x 4 recordings x 10 windows in batches of 8: 20 steps an epoch, 100 in all."""


class _FirstStep(Observer):
    """Keeps the first value of every metric."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.steps = 0

    def metrics(self, step: int, values: dict[str, float]) -> None:  # type: ignore[override]
        self.steps = max(self.steps, step)
        for name, value in values.items():
            self.first.setdefault(name, value)


def _train(
    experiment: Experiment, corpus: Corpus, folder: Path
) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    """The stack's weights at the start and at the end, and what was measured."""
    cell = Cell("cell", "cell", {}, experiment)
    observer = _FirstStep()
    outcome = run(
        Trial("0" * 32, "findings", cell, SEED, corpus.fingerprint), corpus, folder, observer, device="cpu"
    )
    seed_torch(SEED, Stream.INITIALISATION)
    first = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    names = [name for name, _ in first.named_parameters() if name.startswith("layer_stack.")]
    moving = [name for name in names if name not in first.zero_gradient_parameters()]
    before, after = dict(first.named_parameters()), load(folder / "best.pt").weights
    flat = [torch.cat([state[name].detach().ravel() for name in moving]) for state in (before, after)]
    measured = {
        "steps": float(observer.steps),
        "validation_r": outcome.metrics["validation/pearson"],
        "first_guide_ratio": observer.first["gradient/guide_ratio"],
        "last_guide_ratio": outcome.metrics["gradient/guide_ratio"],
        "bypass": outcome.metrics.get("bypass/layer_stack", math.nan),
    }
    return flat[0], flat[1], measured


def measure() -> list[dict[str, str | float]]:
    """One row per residual, optimiser and scale."""
    rows: list[dict[str, str | float]] = []
    with tempfile.TemporaryDirectory() as home:
        base = with_values(Experiment(name="gradient_scale"), SMALL)
        corpus = open_corpus(base.dataset, Paths(Path(home)))
        for residual, (name, values) in product(RESIDUALS, OPTIMISERS.items()):
            reference: tuple[torch.Tensor, dict[str, float]] | None = None
            for scale in SCALES:
                experiment = with_values(
                    base, {**values, "improvements.residual": residual, "improvements.gradient_scale": scale}
                )
                before, after, measured = _train(
                    experiment, corpus, Path(home) / f"{residual}-{name}-{scale}"
                )
                reference = reference or (after, measured)
                gone = float((reference[0] - before).norm())
                apart = float((after - reference[0]).norm())
                rows.append(
                    {
                        "residual": residual,
                        "optimiser": name,
                        "scale": scale,
                        "steps": round(measured["steps"]),
                        "weights_apart_over_way": round(apart / gone, 4),
                        "validation_r": round(measured["validation_r"], 5),
                        "bypass_drop": round(measured["bypass"], 4),
                        "guide_ratio": round(measured["last_guide_ratio"], 4),
                        "guide_ratio_factor": round(
                            measured["last_guide_ratio"] / reference[1]["last_guide_ratio"], 3
                        ),
                        "first_step_factor": round(
                            measured["first_guide_ratio"] / reference[1]["first_guide_ratio"], 5
                        ),
                    }
                )
    return rows
