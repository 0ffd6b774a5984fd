"""Which store is opened."""

from __future__ import annotations

import shutil

from ablab.paths import Paths
from ablab.tracking.open import open_store, tracking_uri


def test_the_default_is_a_file_under_the_state_root(paths: Paths, monkeypatch, tmp_path):
    assert tracking_uri(paths) == f"sqlite:///{paths.root}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    assert open_store(paths).address == "mlruns/mlflow.db"
    assert not paths.root.exists()


def test_an_empty_variable_counts_as_unset(paths: Paths, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri(paths) == f"sqlite:///{paths.root}/mlflow.db"


def test_another_database_is_used_with_artifacts_under_the_state_root(
    paths: Paths, monkeypatch, make_trial, empty_database
):
    (paths.root / "other").mkdir(parents=True)
    shutil.copy(empty_database, paths.root / "other" / "team.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{paths.root}/other/team.db")
    store = open_store(paths)
    writer = store.open_run(make_trial("s"))
    writer.flush()
    assert not paths.mlflow_db.exists()
    assert open_store(paths).studies() == ("s",)
    assert store.artifact(writer.run_id, "spec.yaml").is_relative_to(paths.artifacts / "s")
