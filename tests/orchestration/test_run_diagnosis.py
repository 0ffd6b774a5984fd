"""Diagnosis of runs, checkpoints and contrasts, on a small grid with controls that is really trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from tests.orchestration.tiny import EXPERIMENT

from ablab.cli.main import cli
from ablab.errors import InputError, NotFoundError
from ablab.orchestration.grid import run_grid
from ablab.orchestration.run_diagnosis import diagnose_checkpoint, diagnose_run, diagnose_study
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.tracking.mlflow.store import MlflowStore
from ablab.tracking.open import open_store
from ablab.tracking.store import RunStore

GRID = """
kind: grid
name: tinygrid
base: tiny.yaml
factors: {improvements.gradient_scale: [1.0, 2.0]}
seeds: [0, 1, 2]
analysis: {controls: [frozen_stack]}
"""
TREATMENT, REFERENCE = "gradient_scale=2.0", "gradient_scale=1.0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Paths:
    """A study of 2 cells and 2 controls under 3 seeds."""
    folder = tmp_path_factory.mktemp("study")
    text = EXPERIMENT.format(epochs=2, evaluate_every=2).replace(
        "cheap, every_steps: 100", "full, every_steps: 5"
    )
    (folder / "tiny.yaml").write_text(f"{text}\nimprovements: {{residual: gated}}\n")
    grid = folder / "grid.yaml"
    grid.write_text(GRID)
    paths = Paths(folder / "mlruns")
    paths.root.mkdir()
    shutil.copy(empty_database, paths.mlflow_db)
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    result = run_grid(load_grid(grid), paths=paths, store=store, launcher="inline")
    assert (result.completed, result.failed) == (12, 0)
    return paths


@pytest.fixture
def store(home: Paths, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("ABLAB_HOME", str(home.root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(home)


def key_of(store: RunStore, cell: str = TREATMENT) -> str:
    return next(state.key for state in store.states("tinygrid") if state.cell == cell)


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["diagnose", *arguments], catch_exceptions=False)


def told(root: Path, schema: str, *arguments: str) -> dict[str, Any]:
    """What the command says in JSON, which keeps to its schema."""
    value = json.loads(ablab(*arguments, "--json").stdout)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / f"{schema}.json").read_text("utf-8")))
    return value  # type: ignore[no-any-return]


@pytest.mark.slow
def test_a_run_has_a_row_per_layer_group(store: RunStore) -> None:
    state, found = diagnose_run(key_of(store)[:8], store)
    groups = ["front_end", "se", "subject", "layer_stack.0", "gate", "head"]
    assert [row.group for row in found.rows] == groups
    block = found.rows[3]
    assert None not in (block.gradient_rms, block.gradient_ratio, block.update_ratio)
    assert None not in (block.drift, block.path_efficiency, block.bypass)
    assert {"gate/mean", "branch/stack_share", "bypass/layer_stack"} <= found.details.keys()
    record = next(each for each in store.records("tinygrid") if each.run_id == state.run_id)
    assert block.drift == record.metrics["weights/front_change"]
    answers = {check.line: check.answer for check in found.checks}
    assert answers["different gradient scales were compared"] == "yes"


def test_the_frozen_stack_has_not_moved_and_its_front_end_has(store: RunStore) -> None:
    _, found = diagnose_run(key_of(store, f"{TREATMENT},control=frozen_stack"), store)
    drift = {row.group: row.drift for row in found.rows}
    assert drift["layer_stack.0"] == 0
    assert drift["front_end"] is not None and drift["front_end"] > 0


def test_a_checkpoint_tells_the_drift_of_its_run(store: RunStore, home: Paths) -> None:
    key = key_of(store)
    state, of_run = diagnose_run(key, store)
    found = diagnose_checkpoint(store.artifact(state.run_id, "best.pt"), home)
    if of_run.checks[8].number == "epoch 2":  # the best weights are the last: the same drift
        for ours, theirs in zip(found.rows, of_run.rows, strict=True):
            assert ours.drift == pytest.approx(theirs.drift, rel=1e-6)
    assert all(row.gradient_rms is not None for row in found.rows)
    assert any(key[:8] in note for note in found.notes)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, home: Paths) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        diagnose_checkpoint(tmp_path / "absent.pt", home)
    (tmp_path / "wrong.pt").write_text("no checkpoint")
    with pytest.raises(InputError, match=r"wrong.pt: no checkpoint of ablab"):
        diagnose_checkpoint(tmp_path / "wrong.pt", home)


def test_the_declared_contrast_is_judged_with_its_controls(store: RunStore, home: Paths) -> None:
    report = diagnose_study("tinygrid", cell=None, against=None, paths=home, store=store)
    assert (report.treatment, report.reference, report.n_seeds) == (TREATMENT, REFERENCE, 3)
    stack = report.verdicts[0].evidence
    assert stack.contribution is not None and stack.reference_contribution is not None
    assert stack.contribution.source == "trained minus frozen stack"
    assert stack.contribution.n_seeds == 3
    assert stack.ratio is not None and stack.ratio.factor > 1.2
    swapped = diagnose_study("tinygrid", cell=REFERENCE, against=TREATMENT, paths=home, store=store)
    assert swapped.verdicts[0].evidence.ratio is not None
    assert swapped.verdicts[0].evidence.ratio.factor == pytest.approx(1 / stack.ratio.factor)


def test_without_a_declared_contrast_cells_must_be_named(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name one: --cell A --against B"):
        diagnose_study("tinygrid", cell=TREATMENT, against=None, paths=Paths(tmp_path), store=store)


def test_the_command_prints_the_table_and_keeps_the_plots(
    store: RunStore, tmp_path: Path, root: Path
) -> None:
    key = key_of(store)
    done = ablab(key[:8], "--out", str(tmp_path / "plots"))
    assert done.exit_code == 0
    assert "guide wants" in done.stdout and "> 0.1" in done.stdout and "> 0.01" in done.stdout
    assert "> 0.3" in done.stdout
    assert "checklist after training" in done.stdout
    assert "No line above is a verdict" in done.stdout
    plots = ["bypass_drop.png", "drift.png", "gate.png", "gradient_flow.png"]
    assert sorted(file.name for file in (tmp_path / "plots").iterdir()) == plots
    for name in plots:
        kept = store.artifact(store.find(key).run_id, f"diagnosis/{name}")
        assert kept.read_bytes().startswith(b"\x89PNG")
    found = told(root, "diagnose_run", key[:8])
    assert found["rows"][0]["group"] == "front_end"
    assert [check["answer"] for check in found["checks"]].count("yes") >= 1


def test_the_command_prints_verdicts(store: RunStore, tmp_path: Path, root: Path) -> None:
    done = ablab("tinygrid", "--cell", "gs2", "--against", "gs1", "--out", str(tmp_path))
    assert done.stdout.startswith(f"{TREATMENT} against {REFERENCE}, 3 seeds in both, SIMULATED data\n")
    assert "layer_stack " in done.stdout and "trained minus frozen stack" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["mechanism.png"]
    assert "kept with the study: diagnosis/mechanism.png" in done.stderr
    id_of_study = store.attach_to_study("tinygrid", [])
    assert store.artifact(id_of_study, "diagnosis/mechanism.png").read_bytes().startswith(b"\x89PNG")
    found = told(root, "diagnose_study", "tinygrid")
    assert found["verdicts"][0]["evidence"]["group"] == "layer_stack"


def test_the_command_names_what_is_wrong(store: RunStore) -> None:
    assert ablab("tinygrid", "--cell", "gs3", "--against", "gs1").exit_code == 2
    unknown = ablab("abcdef12")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "abcdef12: no such run" in unknown.stderr


def test_controls_stand_last_in_the_comparison(store: RunStore, home: Paths) -> None:
    from ablab.orchestration.study_comparison import compare_study

    found = compare_study("tinygrid", paths=home, store=store)
    assert [row.cell for row in found.rows][:2] == [REFERENCE, TREATMENT]
    assert all(",control=" in row.cell for row in found.rows[2:])
    assert len(found.rows) == 4
