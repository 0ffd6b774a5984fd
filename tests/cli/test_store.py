"""``ablab store`` on a store in which a run was cut short."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from ablab.cli.store import store
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.trial import Cell, Trial
from ablab.tracking.journal import Head, Journal, folder
from ablab.tracking.mlflow.store import MlflowStore

TRIAL = Trial("ab" * 16, "quick", Cell("gated", "gated", {}, Experiment(name="tiny")), 3, "d4ta")


@pytest.fixture
def cut_short(paths: Paths, tables: None) -> str:
    """Id of a run whose last metric and end stand in its journal only."""
    writer = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths).open_run(TRIAL)
    writer.flush()
    writer.abandon()
    head = Head(writer.run_id, "quick", "gated", 3, TRIAL.key, "")
    journal = Journal(folder(writer.run_id, paths), head)
    journal.append({"metrics": [["test/pearson", 0.25, 1_700_000_000_000, 7]]})
    journal.append({"end": "FINISHED", "at": 1_700_000_001_000})
    journal.close()
    return writer.run_id


def test_sync_delivers_what_is_left_and_says_so(paths: Paths, cut_short: str, root: Path) -> None:
    first = CliRunner().invoke(store, ["sync", "--json"])
    assert first.exit_code == 0
    told = json.loads(first.stdout)
    jsonschema.validate(told, json.loads((root / "docs" / "json" / "store_sync.json").read_text()))
    assert (told["delivered"], told["left"]) == ([cut_short], [])
    (record,) = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths).records("quick")
    assert (record.status, record.metrics) == ("finished", {"test/pearson": 0.25})
    again = CliRunner().invoke(store, ["sync"])
    assert (again.exit_code, again.stdout.endswith("mlflow.db: nothing waits to be delivered\n")) == (0, True)


def test_sync_leaves_what_belongs_to_another_store(
    paths: Paths, cut_short: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{paths.root}/other.db")
    done = CliRunner().invoke(store, ["sync", "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    jsonschema.validate(told, json.loads((root / "docs" / "json" / "store_sync.json").read_text()))
    (left,) = told["left"]
    assert left["name"] == "quick: gated seed 3"
    assert left["reason"].startswith(f"it belongs into sqlite:///{paths.mlflow_db}: set MLFLOW_TRACKING_URI")
    text = CliRunner().invoke(store, ["sync"]).stdout
    assert text.startswith(f"left       quick: gated seed 3 (run {cut_short}): it belongs into")
