"""Whether the tracking store is there, and takes what is written to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking.mlflow.address import check, probe, shown, sqlite_file

_BUSY_SECONDS = 5.0


def try_store(uri: str, paths: Paths) -> str:
    """Reach the store and write to it, leaving nothing but a time in a study's tag; returns what was found.

    Raises StoreError, saying which of the two failed.
    """
    check(uri)
    file = sqlite_file(uri)
    if file is not None:
        return _try_file(file, uri)
    probe(uri)
    from ablab.tracking.mlflow.store import MlflowStore

    study = MlflowStore(uri, paths, patience_seconds=0.0).touch()
    if study is None:
        return f"{shown(uri)} answers; nothing is recorded in it yet, so that writing was not tried"
    return f"{shown(uri)} answers, and takes what is written (study {study})"


def _try_file(file: Path, uri: str) -> str:
    if not file.exists():
        folder = next(each for each in file.absolute().parents if each.exists())
        if not os.access(folder, os.W_OK):
            raise StoreError(
                f"{shown(uri)} cannot be made: {folder} is not writable; mend that, or set ABLAB_HOME"
            )
        return f"{shown(uri)} is not there yet; the first run makes it"
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            studies = database.execute("SELECT count(*) FROM experiments").fetchone()[0]
            database.execute("CREATE TABLE ablab_write_test (x)")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise StoreError(
            f"{shown(uri)} cannot be written ({error}); where it is locked, see who has it open "
            f"(fuser {file}), else its permissions, and the room on its disk"
        ) from error
    return f"{shown(uri)} can be read and written ({studies} experiments)"
