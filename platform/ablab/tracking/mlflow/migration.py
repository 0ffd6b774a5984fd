"""MLflow's database brought to the schema of the installed MLflow; what ``mlflow db upgrade`` does.

MLflow offers this as a command only, whose arguments would show a password; its functions are called here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow.store.db import utils

from ablab.tracking.mlflow.connection import quiet

_mlflow: Any = utils  # untyped


def newest_schema() -> str:
    """The revision that the installed MLflow wants."""
    return str(_mlflow._get_latest_schema_revision())


def schema(uri: str) -> str | None:
    """The revision of a database; None where it has no tables yet."""
    engine = _mlflow.create_sqlalchemy_engine(uri)
    try:
        found = _mlflow._get_schema_version(engine)
        return None if found is None else str(found)
    finally:
        engine.dispose()


def upgrade(uri: str) -> None:
    """Run MLflow's own migrations; its output stays off standard output, which belongs to the command."""
    quiet()
    engine = _mlflow.create_sqlalchemy_engine(uri)
    try:
        _mlflow._upgrade_db(engine)
    finally:
        engine.dispose()


def sqlite_uri(file: Path) -> str:
    """Address of a SQLite file."""
    return f"sqlite:///{file.absolute()}"
