"""Trials on a real GPU: processes that share it, the compiler in a worker, a trial too large for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tiny

from ablab.paths import Paths

pytestmark = pytest.mark.gpu


def ablab(paths: Paths, *arguments: str | Path) -> dict[str, Any]:
    process = tiny.start(paths, *arguments, "--json")
    printed, errors = process.communicate(timeout=240)
    assert printed, errors
    result = json.loads(printed)
    assert isinstance(result, dict)
    return result


def changed(**keys: object) -> list[str]:
    return [word for key, value in keys.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def test_trials_share_a_gpu(tmp_path: Path, paths: Paths, cuda: str) -> None:
    file = tiny.write(tmp_path, seeds=(0, 1))
    with file.open("a") as grid:
        grid.write("resources: {gpus_per_trial: 0.5}\n")
    result = ablab(paths, "grid", "run", file)
    assert result["completed"] == 4, result


def test_a_worker_compiles_and_replays(tmp_path: Path, paths: Paths, cuda: str) -> None:
    tiny.write(tmp_path, epochs=4)
    options = changed(training__compile="true", training__precision="bfloat16")
    file = tmp_path / "tiny.yaml"
    result = ablab(paths, "experiment", "run", file, "--seed", "0", "--launcher", "local", *options)
    assert result["completed"] == 1, result


def test_a_trial_too_large_for_the_gpu_says_so(tmp_path: Path, paths: Paths, cuda: str) -> None:
    # Relative scores of 64 windows x 8 heads x 3,840 x 3,840 samples: 30 GB in each block.
    large = changed(
        dataset__minutes=20,
        dataset__window_seconds=60,
        dataset__windows_per_recording=64,
        training__batch_size=64,
        model__d_model=8,
        model__n_heads=8,
        model__n_layers=12,
    )
    result = ablab(paths, "grid", "run", tiny.write(tmp_path), *large)
    assert result["failed"], result
    words = [failure["error"] for failure in result["failures"]]
    assert all(re.search(r"out of memory on GPU \S+: ", said) for said in words), result
