"""A stranger's clone in miniature: the project's own files with everything cut down to seconds.

Only sizes are changed. Names, factors' keys and contrasts stay, so that each documented command finds what
its page says is there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from tests.docs.pages import ROOT

_SIZES: dict[str, dict[str, Any]] = {
    "original": {
        "dataset": {"window_seconds": 2, "windows_per_recording": 2},
        "model": {"d_model": 8, "d_inner": 8, "n_heads": 2, "n_layers": 1, "conv_kernel_size": 3},
        "training": {"epochs": 1, "batch_size": 8, "evaluate_every": 1, "learning_rate": 1.0e-3},
        "evaluation": {"segment_seconds": 2},
        "diagnostics": {"every_steps": 1},
    },
    "quickstart": {
        "dataset": {
            "n_subjects": 3,
            "minutes": 1,
            "n_chans": 8,
            "window_seconds": 2,
            "windows_per_recording": 2,
        },
        "model": {"d_model": 8, "d_inner": 8},
        "training": {"epochs": 1, "evaluate_every": 1},
        "diagnostics": {"every_steps": 1},
    },
    "quickstart_v2": {"training": {"epochs": 1, "evaluate_every": 1}},
}

_TWO_LEVELS = {
    "improvements.residual": ["none", "gated"],
    "improvements.mlp_head": [False, True],
    "improvements.gradient_scale": [1.0, 2.0],
}
_FIVE_CELLS: dict[str, Any] = {"factors": _TWO_LEVELS, "design": "leave_one_out", "seeds": [0, 1, 2]}

_STUDIES: dict[str, dict[str, Any]] = {
    "quickstart": _FIVE_CELLS,
    "v2_improvements": _FIVE_CELLS,
    "front_layers": {"seeds": [0, 1, 2]},
    "quickstart_search": {"trials": 3, "seeds_per_trial": 1, "confirm": {"seeds": 3}},
    "gradient_scale_search": {"trials": 2, "seeds_per_trial": 1, "confirm": {"seeds": 3}},
    # A gate of trials that last a tenth of a second cannot say anything of speed or memory.
    "regression_smoke": {"checks": [{"metric": "test/pearson", "margin": 0.03}]},
    "regression_nightly": {
        "seeds": [0, 1, 2],
        "max_seeds": 3,
        "looks": 1,
        "checks": [{"metric": "test/pearson", "margin": 0.03}],
    },
}


def clone(folder: Path) -> None:
    """Write experiments/, ablations/, docs/json/, recordings and raw recordings under ``folder``."""
    for name in ("experiments", "ablations"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "requirements.lock", "setup.cfg", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder)
    for name, sizes in _SIZES.items():
        _rewrite(folder / "experiments" / f"{name}.yaml", sizes)
    for name, sizes in _STUDIES.items():
        _rewrite(folder / "ablations" / f"{name}.yaml", sizes)
    _record(folder / "raw")


def _rewrite(file: Path, values: dict[str, Any]) -> None:
    yaml = YAML()
    content = yaml.load(file.read_text(encoding="utf-8"))
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict) and key != "factors":
            content[key].update(value)
        else:
            content[key] = value
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(content, out)


def _record(folder: Path) -> None:
    """Three people, two minutes each: an envelope, and EEG in which it can be found."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for subject in ("p01", "p02", "p03"):
        envelope = np.abs(np.cumsum(draw.standard_normal(64 * 120)) % 3)
        noise = draw.standard_normal((len(envelope), 8))
        eeg = noise + np.roll(envelope, 8)[:, None] * draw.uniform(0.2, 1.0, 8)
        np.savez(folder / f"{subject}_run1.npz", eeg=eeg, envelope=envelope)
