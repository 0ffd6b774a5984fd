"""A corpus small enough to train on in a second, in which the envelope can be heard in the EEG."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablab.data.corpus import Corpus, Recording
from ablab.spec.experiment import Experiment, Level
from ablab.spec.trial import Cell, Trial
from ablab.training.observer import Observer

# The helper modules of this folder are imported here and in the processes of its tests.
sys.path.insert(0, str(Path(__file__).parent))

N_CHANS = 6
SUBJECTS = ("ann", "bob")

SPEC = {
    "name": "tiny",
    "dataset": {"kind": "simulated", "window_seconds": 1.0, "windows_per_recording": 5},
    "model": {
        "d_model": 8,
        "d_inner": 16,
        "n_heads": 2,
        "n_layers": 1,
        "conv_kernel_size": 5,
        "drop_prob": 0.1,
    },
    "training": {
        "epochs": 4,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "evaluate_every": 2,
        "schedule": {"kind": "constant"},
    },
    "evaluation": {"segment_seconds": 2.0},
    "diagnostics": {"preset": "off", "every_steps": 3},
}


def make_recording(subject: str, name: str, n_times: int, rng: np.random.Generator) -> Recording:
    envelope = np.convolve(rng.standard_normal(n_times + 15), np.hanning(16), mode="valid")
    mixing = np.linspace(1.0, -1.0, N_CHANS) * (1.0 if subject == "ann" else -1.0)
    eeg = np.roll(envelope, 4)[:, None] * mixing + 2 * rng.standard_normal((n_times, N_CHANS))
    return Recording(subject, name, _z_scored(eeg), _z_scored(envelope[:, None]))


def _z_scored(signal: np.ndarray) -> np.ndarray:
    return ((signal - signal.mean(axis=0)) / signal.std(axis=0)).astype(np.float32)


@pytest.fixture
def corpus() -> Corpus:
    rng = np.random.default_rng(7)
    parts = {
        split: tuple(
            make_recording(subject, name, n_times, rng) for subject in SUBJECTS for name in ("one", "two")
        )
        for split, n_times in (("train", 600), ("validation", 300), ("test", 330))
    }
    return Corpus(
        n_chans=N_CHANS,
        sfreq=64,
        subjects=("absent", *SUBJECTS),
        train=parts["train"][:3],
        validation=parts["validation"],
        test=parts["test"][:3],
        fingerprint="0" * 32,
        notices=(),
        simulated=True,
    )


def _merged(base: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        nested = (
            isinstance(old, dict)
            and isinstance(value, dict)
            and old.get("kind") == value.get("kind", old.get("kind"))
        )
        merged[key] = _merged(old, value) if nested else value
    return merged


@pytest.fixture
def make_trial() -> Callable[..., Trial]:
    """``make_trial(seed=1, training={"epochs": 2})``: the tiny trial with changes."""

    def make(seed: int = 0, **changes: object) -> Trial:
        experiment = Experiment.model_validate(_merged(SPEC, changes))
        factors: dict[str, Level] = {}
        return Trial("f" * 32, "study", Cell("cell", "cell", factors, experiment), seed, "0" * 32)

    return make


class Recorder(Observer):
    """Keeps everything it is told."""

    def __init__(self) -> None:
        self.facts: dict[str, str | int | float] = {}
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.drawn: list[str] = []
        self.epochs: list[tuple[int, int, int]] = []
        self.warnings: list[str] = []

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        self.facts.update(facts)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, value))

    def histograms(self, step: int, values: Mapping[str, object]) -> None:
        self.drawn += values

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        self.epochs.append((epoch, epochs, step))

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def with_parts() -> Callable[..., Corpus]:
    """``with_parts(corpus, test=())``: the corpus with other recordings."""
    return replace
