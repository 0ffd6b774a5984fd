"""Identity is content: golden keys, and what does and does not change a key."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablab.spec import identity
from ablab.spec.experiment import Conformer, Experiment, Improvements, Level, Training
from ablab.spec.identity import digest, flatten, trial_key
from ablab.spec.load import load_experiment, load_grid, with_values
from ablab.spec.shape import keys

Write = Callable[[str, str], Path]
BASE = Experiment(name="a")
SIMULATED = with_values(BASE, {"dataset.kind": "simulated"})


def key(experiment: Experiment) -> str:
    return trial_key(experiment, "data", 0)


# A key that changes orphans every finished trial of every user: these stay as they are for ever.
def test_golden_keys_of_original(root: Path) -> None:
    original = load_experiment(root / "experiments" / "original.yaml").experiment
    assert trial_key(original, "0" * 32, 0) == "56deeadca7d08121d6fbba4a360916d1"
    assert trial_key(original, "0" * 32, 1) == "18c203c0592cde095005e35c85f642f9"
    assert trial_key(original, "f" * 32, 0) == "ee085288e016c40c7b432409e1a02fb7"


def test_golden_keys_of_an_experiment_with_every_kind_changed() -> None:
    experiment = with_values(
        SIMULATED,
        {
            "training.schedule.kind": "cosine",
            "training.loss.kind": "multi_scale_pearson",
            "training.clip_norm": 1,
        },
    )
    assert trial_key(experiment, "0" * 32, 0) == "d7f96ce79e84ebae0aafb6f9515da9d1"


VALUES: dict[str, Level] = {
    "name": "other",
    "notes": "changed",
    "dataset.window_seconds": 5,
    "dataset.windows_per_recording": 3,
    "dataset.train_fraction": 0.5,
    "dataset.accept_leakage": "on purpose",
    "dataset.residency": "memory",
    "dataset.shuffle_eeg": 0,
    "dataset.kind": "simulated",
    "dataset.path": "elsewhere",
    "dataset.subjects": ["S1"],
    "dataset.n_subjects": 3,
    "dataset.minutes": 3,
    "dataset.n_chans": 3,
    "dataset.seed": 3,
    "model.d_model": 128,
    "model.d_inner": 3,
    "model.n_heads": 2,
    "model.n_layers": 0,
    "model.conv_kernel_size": 3,
    "model.drop_prob": 0,
    "model.front_end": "linear",
    "model.squeeze_excitation": False,
    "model.subject_conditioning": False,
    "model.relative_positions": False,
    "model.sinusoidal_positions": False,
    "model.macaron": False,
    "improvements.residual": "gated",
    "improvements.mlp_head": True,
    "improvements.gradient_scale": 2,
    "improvements.gradient_scale_position": "head",
    "training.epochs": 3,
    "training.batch_size": 3,
    "training.processes": 2,
    "training.learning_rate": 3e-4,
    "training.layer_rates.front": 3,
    "training.layer_rates.rear": 3,
    "training.layer_rates.head": 0,
    "training.layer_rates.stack": 0,
    "training.optimizer": "sgd",
    "training.betas": [0.8, 0.9],
    "training.eps": 1e-8,
    "training.momentum": 0.9,
    "training.weight_decay": 0.1,
    "training.clip_norm": 1,
    "training.schedule.kind": "constant",
    "training.schedule.step_epochs": 3,
    "training.schedule.gamma": 0.5,
    "training.schedule.warmup_epochs": 3,
    "training.schedule.final_fraction": 0.5,
    "training.loss.kind": "mse",
    "training.loss.weight": 0.5,
    "training.loss.beta": 0.5,
    "training.loss.scales": [1, 2],
    "training.loss.fine_weight": 0.5,
    "training.loss.huber_weight": 0.5,
    "training.loss.huber_beta": 0.5,
    "training.evaluate_every": 3,
    "training.early_stopping.patience_evaluations": 3,
    "training.checkpoint_minutes": 3,
    "training.precision": "bfloat16",
    "training.compile": True,
    "training.threads": 2,
    "evaluation.segment_seconds": 5,
    "evaluation.protocols": ["match_mismatch"],
    "diagnostics.preset": "off",
    "diagnostics.every_steps": 3,
}
"""Another value for every key there is."""

KINDS: dict[str, dict[str, Level]] = {
    "dataset.n_subjects": {"dataset.kind": "simulated"},
    "dataset.minutes": {"dataset.kind": "simulated"},
    "dataset.n_chans": {"dataset.kind": "simulated"},
    "dataset.seed": {"dataset.kind": "simulated"},
    "training.schedule.final_fraction": {"training.schedule.kind": "cosine"},
    "training.loss.beta": {"training.loss.kind": "huber_pearson"},
    "training.loss.scales": {"training.loss.kind": "multi_scale_pearson"},
    "training.loss.fine_weight": {"training.loss.kind": "multi_scale_pearson"},
    "training.loss.huber_weight": {"training.loss.kind": "multi_scale_pearson"},
    "training.loss.huber_beta": {"training.loss.kind": "multi_scale_pearson"},
}
"""The kind under which a key is known, where it is not the default one."""

NOT_IDENTITY = (
    "name",
    "notes",
    "dataset.path",
    "dataset.accept_leakage",
    "dataset.residency",
    "training.checkpoint_minutes",
)


def test_the_table_of_values_is_complete() -> None:
    fixed = {"model.kind"}
    assert set(VALUES) == set(keys(Experiment)) - fixed


@pytest.mark.parametrize("name", VALUES)
def test_every_key_can_be_set_and_is_part_of_the_identity(name: str) -> None:
    base = with_values(BASE, KINDS.get(name, {}))
    changed = with_values(base, {name: VALUES[name]})
    value = VALUES[name]
    assert flatten(changed)[name] == (tuple(value) if isinstance(value, list) else value)
    assert (key(changed) == key(base)) is (name in NOT_IDENTITY)


def test_seed_and_data_are_part_of_the_identity() -> None:
    assert len({trial_key(BASE, data, seed) for data in ("a", "b") for seed in (0, 1)}) == 4
    assert len(key(BASE)) == 32
    assert int(key(BASE), 16) > 0


def test_the_key_does_not_hang_on_how_the_file_is_written(write: Write) -> None:
    one = write(
        "one.yaml", "name: one\nmodel: {d_model: 32, n_heads: 2}\nimprovements: {gradient_scale: 2}\n"
    )
    two = write(
        "two.yaml",
        "improvements:\n  mlp_head: false\n  gradient_scale: 2.0\nmodel:\n  n_heads: 2\n  d_model: 0x20\nname: two\n",
    )
    first, second = load_experiment(one).experiment, load_experiment(two).experiment
    assert key(first) == key(second)
    assert key(first) == key(
        Experiment(
            name="x", improvements=Improvements(gradient_scale=2), model=Conformer(n_heads=2, d_model=32)
        )
    )


def test_minus_zero_is_zero() -> None:
    minus = Experiment(name="a", training=Training(weight_decay=-0.0))
    assert key(minus) == key(BASE)


def test_a_field_added_later_leaves_old_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = key(BASE)
    monkeypatch.setattr(identity, "ADDED", {"model.macaron": True, "training.betas": (0.9, 0.98)})
    before = key(BASE)
    assert before != everything
    # Only the introduction default is left out: any other value is another experiment.
    assert key(with_values(BASE, {"model.macaron": False})) != before
    assert key(with_values(BASE, {"training.betas": [0.9, 0.98]})) == before


def test_flatten_reaches_grids_too(root: Path) -> None:
    grid = flatten(load_grid(root / "ablations" / "quickstart.yaml").grid)
    assert grid["factors.improvements.residual"] == ("none", "global", "gated")
    assert grid["analysis.contrast.reference"] == "residual=none,mlp_head=false,gradient_scale=1.0"


def test_digest_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})
