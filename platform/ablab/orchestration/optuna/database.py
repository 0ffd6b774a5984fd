"""The file with all Optuna studies, which one process writes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking.full_disk import is_full_disk

_BUSY_SECONDS = 60.0  # SQLite's own default gives up after 5 s, too little beside another study's writer


def open_study(name: str, paths: Paths, **settings: Any) -> optuna.Study:
    """The study of this name, which is made where it is missing; ``settings`` are `optuna.create_study`'s."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with readable(paths):
        return optuna.create_study(
            storage=open_storage(paths), study_name=name, load_if_exists=True, **settings
        )


def open_storage(paths: Paths) -> optuna.storages.RDBStorage:
    """The database, which is made where it is missing."""
    paths.root.mkdir(parents=True, exist_ok=True)
    lock = paths.lock("optuna.db")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # two processes that create the schema at once fail
        return optuna.storages.RDBStorage(
            f"sqlite:///{paths.optuna_db}", engine_kwargs={"connect_args": {"timeout": _BUSY_SECONDS}}
        )


@contextmanager
def readable(paths: Paths) -> Iterator[None]:
    """What fails in the block is a StoreError that says what to do."""
    try:
        yield
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
        if is_full_disk(error):
            raise StoreError(
                f"disk full: cannot write {paths.optuna_db}; make room, then run the same command again"
            ) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise StoreError(
            f"the Optuna study in {paths.optuna_db} cannot be used: {lines[0]}\n"
            "it holds nothing that the tracking store does not: where it is damaged, move it away and run "
            "again"
        ) from error
