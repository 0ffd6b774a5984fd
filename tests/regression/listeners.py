"""Listeners that a tiny decoder understands within a second, and the files of a gate that guards it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SFREQ = 64
SUBJECTS = ("sub-a", "sub-b", "sub-c", "sub-d")
_SECONDS = {"train": 64, "val": 24, "test": 24}
_DELAY = 4
"""Samples between envelope and EEG."""

EXPERIMENT = """
name: tiny
dataset: {{kind: split_folder, path: {data}, window_seconds: 2, windows_per_recording: 24}}
model: {{d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 5, drop_prob: 0.0}}
improvements: {{residual: gated, mlp_head: true}}
training:
  epochs: 6
  batch_size: 16
  evaluate_every: 3
  learning_rate: 3.0e-2
  loss: {{kind: pearson}}
evaluation: {{segment_seconds: 4}}
diagnostics: {{preset: cheap, every_steps: 6}}
"""

GATE = """
kind: regression
name: tinygate
experiment: tiny.yaml
baseline: tiny
seeds: [0, 1, 2]
checks:
  - {metric: test/pearson, margin: 0.1}
  - {metric: model/parameters, equal: true}
  - {metric: "weights/drift/*", at_least: 0.5, at_most: 2.0}
  - {metric: gradient/ratio_mean, at_least: 0.2, at_most: 5.0}
learning_curve: {metric: validation/pearson, margin: 0.1}
"""


def write_data(folder: Path) -> None:
    """EEG is the envelope 60 ms later under noise; in half of the subjects it is upside down, so that only a
    decoder that knows the subject can tell which way is up."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    for split, seconds in _SECONDS.items():
        for number, subject in enumerate(SUBJECTS):
            n_times = seconds * SFREQ
            noise = random.standard_normal(n_times + 64)
            envelope = np.convolve(noise, np.hanning(16), "same")[:n_times]
            envelope = (envelope - envelope.mean()) / envelope.std()
            sign = 1.0 if number % 2 else -1.0
            heard = sign * np.concatenate([np.zeros(_DELAY), envelope[:-_DELAY]])
            eeg = heard[:, None] * np.array([1.0, 0.8, 0.6, 0.4]) + 0.4 * random.standard_normal((n_times, 4))
            for feature, values in (("eeg", eeg), ("envelope", envelope[:, None])):
                name = f"{split}_-_{subject}_-_story{number}{split}_-_{feature}.npy"
                np.save(folder / name, values.astype(np.float32))


def write_files(folder: Path) -> Path:
    """Data, experiment and gate; returns the gate's file."""
    write_data(folder / "data")
    (folder / "tiny.yaml").write_text(EXPERIMENT.format(data=folder / "data"))
    gate = folder / "gate.yaml"
    gate.write_text(GATE)
    return gate
