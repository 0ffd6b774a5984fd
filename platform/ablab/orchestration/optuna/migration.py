"""Optuna's database brought to the schema of the installed Optuna; what ``optuna storage upgrade`` does."""

from __future__ import annotations

from pathlib import Path

import optuna


def schemas(file: Path) -> tuple[str, str]:
    """The schema of a database and the one that the installed Optuna wants."""
    storage = _storage(file)
    try:
        return storage.get_current_version(), storage.get_head_version()
    finally:
        storage.engine.dispose()


def upgrade(file: Path) -> None:
    """Run Optuna's own migrations."""
    storage = _storage(file)
    try:
        storage.upgrade()
    finally:
        storage.engine.dispose()


def _storage(file: Path) -> optuna.storages.RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}", skip_compatibility_check=True)
