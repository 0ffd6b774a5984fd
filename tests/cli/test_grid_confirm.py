"""``ablab grid confirm`` as a user types it: the old study made by hand, the new one trained."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from ablab.cli.main import cli
from ablab.designs.expand import expand
from ablab.orchestration.declared import declare
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.spec.record import SubjectScore
from ablab.tracking.open import open_store

EXPERIMENT = """
name: tiny
dataset: {kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}
diagnostics: {preset: "off"}
model: {kind: conformer, d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}
training: {epochs: 1, batch_size: 4, evaluate_every: 1}
evaluation: {segment_seconds: 2}
"""
GRID = """
kind: grid
name: tinygrid
base: tiny.yaml
factors: {improvements.mlp_head: [false, true]}
seeds: [0, 1]
"""


@pytest.fixture
def study(tmp_path: Path, paths: Paths, tables: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two cells, the MLP head better by .1 in every subject and seed."""
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    loaded = load_grid(Path("grid.yaml"))
    declare(loaded, paths)
    store = open_store(paths)
    for trial in expand(loaded.grid, loaded.bases, "d" * 32):
        r = 0.2 if trial.cell.experiment.improvements.mlp_head else 0.1
        scores = [SubjectScore(name, 1, 4, r, r + 0.01 * i, 0.0, 0.04) for i, name in enumerate("ab")]
        store.open_run(trial).finish({"test/pearson": r}, scores)
    return "tinygrid"


def test_confirm_trains_on_fresh_seeds_and_prints_the_comparison(
    study: str, paths: Paths, root: Path
) -> None:
    arguments = ["grid", "confirm", study, "--seeds", "3", "--launcher", "inline"]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    value = json.loads(result.stdout)
    for schema, part in (
        ("grid_confirm", value),
        ("grid_run", value["run"]),
        ("compare", value["comparison"]),
    ):
        jsonschema.validate(part, json.loads((root / "docs" / "json" / f"{schema}.json").read_text()))
    assert value["study"] == "tinygrid-confirm"
    assert value["cells"] == {"reference": "linear", "recommended": "mlp"}
    assert value["seeds"] == [2, 3, 4]
    assert value["run"]["completed"] == 6
    assert value["comparison"]["treatment"] == "recommended"
    assert value["against_best"] is None

    again = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert again.exit_code == 0
    lines = again.stdout.splitlines()
    assert lines[0] == "study tinygrid-confirm: recommended against reference, seeds 2, 3, 4"
    assert lines[1].split() == ["reference", "linear"]
    assert lines[2].split() == ["recommended", "mlp"]
    assert "0 completed, 0 failed, 6 skipped" in again.stdout
    assert "recommended against reference: EXPLORATORY with 3 seeds" in " ".join(again.stdout.split())


def test_a_study_that_is_not_there_ends_in_exit_code_2(paths: Paths) -> None:
    result = CliRunner().invoke(cli, ["grid", "confirm", "nothing"])
    assert result.exit_code == 2
    assert "nothing" in result.stderr
