"""Databases of older versions are brought up to date, and what they held is still there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import tiny
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.initial_models import Base

from ablab.errors import InputError, StudyLockedError
from ablab.orchestration.grid import run_grid
from ablab.orchestration.lock import study_lock
from ablab.orchestration.migration import migrate
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore
from ablab.tracking.open import open_store
from ablab.tracking.sqlite_copy import replaced

BEHIND = 20
"""Revisions of MLflow between the old database and now."""


def old_database(file: Path) -> str:
    """MLflow's database as a version some years back made it, with one study; its revision."""
    file.parent.mkdir(parents=True)
    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    config = _get_alembic_config(f"sqlite:///{file}")
    revision = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][BEHIND]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(file)) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(experiments)")]
        values = {"experiment_id": 7, "name": "kept", "artifact_location": "x", "lifecycle_stage": "active"}
        named = ", ".join(name for name in columns if name in values)
        marks = ", ".join("?" for name in columns if name in values)
        database.execute(
            f"INSERT INTO experiments ({named}) VALUES ({marks})",
            [values[name] for name in columns if name in values],
        )
        database.execute(
            "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (7, 'ablab.study', 'kept')"
        )
    return revision


def test_an_old_database_is_brought_up_to_date(paths: Paths, tmp_path: Path) -> None:
    was = old_database(paths.mlflow_db)
    (done,) = migrate(paths, open_store(paths))
    assert done.was == was != done.now
    assert done.kept == paths.mlflow_db.with_name(f"mlflow.db.{was}")
    assert done.kept.exists()
    assert open_store(paths).studies() == ("kept",)
    loaded = tiny.loaded(tmp_path)  # and it takes new runs
    assert run_grid(loaded, paths=paths, store=open_store(paths), launcher="inline").completed == 2
    again = migrate(paths, open_store(paths))
    assert [each.kept for each in again] == [None, None]


def test_a_running_study_is_left_alone(paths: Paths) -> None:
    old_database(paths.mlflow_db)
    before = paths.mlflow_db.read_bytes()
    with (
        study_lock("kept", paths, MemoryStore()),
        pytest.raises(StudyLockedError, match="'kept' is being run by process"),
    ):
        migrate(paths, open_store(paths))
    assert paths.mlflow_db.read_bytes() == before


def test_a_failing_change_leaves_everything_as_it_was(paths: Paths) -> None:
    old_database(paths.mlflow_db)
    before = paths.mlflow_db.read_bytes()

    def change(file: Path) -> None:
        file.write_bytes(b"half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        replaced(paths.mlflow_db, paths.root / "kept.db", change)
    assert paths.mlflow_db.read_bytes() == before
    assert [path.name for path in paths.root.iterdir()] == ["mlflow.db"]


def test_a_shared_database_is_for_its_operator(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://team:secret@db.example.org/mlflow")
    with pytest.raises(InputError) as caught:
        migrate(paths, open_store(paths))
    assert "is upgraded where it runs: back it up (make backup)" in str(caught.value)
    assert "secret" not in str(caught.value)
