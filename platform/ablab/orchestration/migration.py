"""Brings this state root's databases to what the installed MLflow and Optuna want: `ablab store migrate`.

Each is changed as a copy that takes the old one's place; the old one stays beside it, named after its schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import InputError, StudyLockedError
from ablab.orchestration.claim import claimant
from ablab.orchestration.lock import holder
from ablab.paths import Paths
from ablab.tracking.mlflow.address import is_server, shown, sqlite_file
from ablab.tracking.open import tracking_uri
from ablab.tracking.sqlite_copy import replaced
from ablab.tracking.store import RunStore


@dataclass(frozen=True, slots=True)
class Migrated:
    """One database and what was done with it."""

    database: str
    was: str | None
    """Schema found; None for a database that is not there yet."""
    now: str
    kept: Path | None
    """The database as it was; None where nothing was to be done."""

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        kept = None if self.kept is None else str(self.kept)
        return {"database": self.database, "was": self.was, "now": self.now, "kept": kept}


def migrate(paths: Paths, store: RunStore) -> tuple[Migrated, ...]:
    """Upgrade both databases where they are older than what is installed.

    Raises InputError where the runs are on a server or in a database that others share, which its operator
    upgrades; StudyLockedError while a study runs.
    """
    from ablab.orchestration.optuna import migration as of_optuna
    from ablab.tracking.mlflow import migration as of_mlflow

    uri = tracking_uri(paths)
    file = sqlite_file(uri)
    if file is None:
        what = "server" if is_server(uri) else "database"
        raise InputError(
            f"{shown(uri)}: a {what} that others share is upgraded where it runs: back it up (make backup), "
            "stop it, then `mlflow db upgrade` with its database's address"
        )
    for study in store.studies():
        busy = holder(study, paths) or claimant(study, store)
        if busy is not None:
            raise StudyLockedError(f"study '{study}' is being run by {busy}; wait for it, or end it first")
    done = []
    if file.exists():
        newest = of_mlflow.newest_schema()
        found = of_mlflow.schema(of_mlflow.sqlite_uri(file))
        done.append(_brought(file, found, newest, lambda new: of_mlflow.upgrade(of_mlflow.sqlite_uri(new))))
    if paths.optuna_db.exists():
        found, newest = of_optuna.schemas(paths.optuna_db)
        done.append(_brought(paths.optuna_db, found, newest, of_optuna.upgrade))
    return tuple(done)


def _brought(file: Path, was: str | None, newest: str, upgrade: Callable[[Path], None]) -> Migrated:
    name = shown(f"sqlite:///{file}")
    if was == newest:
        return Migrated(name, was, newest, None)
    kept = file.with_name(f"{file.name}.{was}")
    replaced(file, kept, upgrade)
    return Migrated(name, was, newest, kept)
