from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ablab.data.corpus import Corpus
from ablab.models.build import build_model
from ablab.spec.trial import Trial
from ablab.training.checkpoint import load
from ablab.training.contribution import evenly_spaced
from ablab.training.observer import Observer
from ablab.training.run import run
from ablab.training.seeds import Stream, seed_torch


def test_windows_are_spread_evenly_over_every_recording() -> None:
    index = evenly_spaced([100, 50, 20], 20, 6)
    assert index.recording.tolist() == [0, 0, 1, 1, 2, 2]
    assert index.start.tolist() == [20, 60, 7, 23, 0, 0]


@pytest.mark.parametrize("n_windows", [1, 7, 128])
def test_every_window_lies_within_its_recording(n_windows: int) -> None:
    lengths = [641, 640, 5000]
    index = evenly_spaced(lengths, 640, n_windows)
    ends = index.start + 640
    assert index.start.min() >= 0
    assert (ends <= np.array(lengths)[index.recording]).all()
    assert len(index) >= n_windows


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("off", []),
        ("cheap", ["bypass/layer_stack"]),
        ("full", ["bypass/layer_stack", "bypass/layer_stack.0", "bypass/layer_stack.1"]),
    ],
)
def test_a_trial_ends_with_the_bypass_drops_of_its_preset(
    preset: str, names: list[str], corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path
) -> None:
    changes = {"model": {"n_layers": 2}, "improvements": {"residual": "global"}}
    trial = make_trial(diagnostics={"preset": preset}, **changes)
    metrics = run(trial, corpus, tmp_path / preset, Observer(), device="cpu").metrics
    assert [name for name in metrics if name.startswith("bypass/")] == names
    assert all(metrics[name] != 0 for name in names)
    plain = run(make_trial(**changes), corpus, tmp_path / "plain", Observer(), device="cpu").metrics
    assert plain["test/pearson"] == metrics["test/pearson"]


def test_without_a_residual_a_bypassed_stack_leaves_nothing(
    corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path
) -> None:
    """The drop is the best checkpoint's validation r minus r with a stack that says nothing."""
    trial = make_trial(diagnostics={"preset": "cheap"}, training={"epochs": 24, "evaluate_every": 12})
    metrics = run(trial, corpus, tmp_path / "run", Observer(), device="cpu").metrics
    # Without a residual the head then sees a constant, and a constant prediction scores nothing.
    assert metrics["bypass/layer_stack"] == pytest.approx(metrics["validation/pearson"], abs=1e-6)


def test_a_stack_with_no_learning_rate_stays_at_its_initialisation(
    corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path
) -> None:
    changes = {"diagnostics": {"preset": "cheap", "every_steps": 1}, "model": {"n_layers": 2}}
    for optimizer in ("adamw", "sgd"):
        training = {"optimizer": optimizer, "weight_decay": 0.1, "layer_rates": {"stack": 0.0}}
        trial = make_trial(**changes, training=training)
        run(trial, corpus, tmp_path / optimizer, Observer(), device="cpu")
        weights = load(tmp_path / optimizer / "best.pt").weights
        seed_torch(trial.seed, Stream.INITIALISATION)
        experiment = trial.cell.experiment
        first = build_model(experiment.model, experiment.improvements, 6, 3)
        for name, parameter in first.named_parameters():
            assert torch.equal(weights[name], parameter) == name.startswith("layer_stack."), name
