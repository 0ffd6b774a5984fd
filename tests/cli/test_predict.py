"""``ablab predict`` through the program: the examples of its help, its JSON, its errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.cli.predict import predict
from ablab.paths import Paths
from ablab.tracking.open import open_store

EXPERIMENT = """
name: tiny
dataset: {kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}
model: {d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}
training: {epochs: 1, batch_size: 4}
evaluation: {segment_seconds: 2}
"""


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def key(paths: Paths, tables: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Key of a finished run."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(EXPERIMENT)
    assert ablab("experiment", "run", "tiny.yaml", "--seed", "0", "--device", "cpu").exit_code == 0
    (state,) = open_store(paths).states("experiments")
    return state.key


def test_the_examples_of_the_help_its_json_and_its_refusal(key: str, paths: Paths, root: Path) -> None:
    # One test, because the run costs more than all the rest.
    lines = (predict.help or "").splitlines()
    examples = [shlex.split(line) for line in lines if line.strip().startswith("ablab ")]
    assert len(examples) == 2
    for program, *arguments in examples:
        result = ablab(*[key[:6] if part == "3f9c21" else part for part in arguments], "--device", "cpu")
        assert (program, result.exit_code) == ("ablab", 0), result.output
    assert result.stdout.startswith("tiny seed 0: validation r ")
    assert result.stdout.endswith(", 2 recordings -> predictions\n")
    stored = np.load(open_store(paths).artifact(open_store(paths).find(key).run_id, "predictions.npz"))
    kept = np.load("predictions.npz")
    assert all(stored[name].tobytes() == kept[name].tobytes() for name in stored)
    assert len(list(Path("predictions").iterdir())) == 4

    again = ablab("predict", key, "--out", "predictions.npz")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "error: predictions.npz: exists already; --force replaces it\n"

    forced = ablab("predict", key, "--out", "predictions.npz", "--force", "--device", "cpu", "--json")
    value = json.loads(forced.stdout)
    schema = json.loads((root / "docs" / "json" / "predict.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(value)
    assert (value["key"], value["recordings"], value["out"]) == (key, 2, "predictions.npz")


def test_an_unknown_run(paths: Paths) -> None:
    result = ablab("predict", "abcdef", "--out", "x.npz")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: abcdef: no such run")
