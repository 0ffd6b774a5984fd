"""The database with all Optuna studies: a file under the state root, or what ``ABLAB_OPTUNA_STORAGE`` names.

Only orchestrators that share one state root may share a database: its locks say who writes a study.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from ablab.errors import StoreError
from ablab.orchestration.interruption import requests
from ablab.paths import Paths
from ablab.tracking.full_disk import is_full_disk
from ablab.tracking.mlflow.address import shown, without_password

_PATIENCE_SECONDS, _PAUSE_SECONDS = 300.0, 1.0
_BUSY_SECONDS = 60.0  # SQLite's own default gives up after 5 s, too little beside another study's writer

log = logging.getLogger("ablab")


def open_study(name: str, paths: Paths, **settings: Any) -> optuna.Study:
    """The study of this name, which is made where it is missing; ``settings`` are `optuna.create_study`'s."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with readable(paths):
        return optuna.create_study(
            storage=open_storage(paths), study_name=name, load_if_exists=True, **settings
        )


def address(paths: Paths) -> str:
    """The database as SQLAlchemy names it; it may hold a password."""
    return os.environ.get("ABLAB_OPTUNA_STORAGE") or f"sqlite:///{paths.optuna_db}"


def exists(paths: Paths) -> bool:
    """Whether there may be studies; a database that somebody else keeps is there."""
    return bool(os.environ.get("ABLAB_OPTUNA_STORAGE")) or paths.optuna_db.is_file()


def open_storage(paths: Paths) -> optuna.storages.RDBStorage:
    """The database, which is made where it is missing."""
    paths.root.mkdir(parents=True, exist_ok=True)
    lock = paths.lock("optuna.db")
    lock.parent.mkdir(parents=True, exist_ok=True)
    uri = address(paths)
    is_file = uri.startswith("sqlite")
    settings = {"connect_args": {"timeout": _BUSY_SECONDS}} if is_file else {"pool_pre_ping": True}
    with FileLock(lock):  # two processes that create the schema at once fail
        return optuna.storages.RDBStorage(uri, engine_kwargs=settings)


@contextmanager
def readable(paths: Paths, *, patient: bool = False) -> Iterator[None]:
    """What fails in the block is a StoreError that says what to do.

    patient: as the middle of a grid should be; a server that is away is waited for before the block begins,
    for minutes, or until an end is asked for.
    """
    if patient:
        _await(address(paths))
    try:
        yield
    except (optuna.exceptions.OptunaError, SQLAlchemyError, ImportError) as error:
        name = shown(address(paths))
        if is_full_disk(error):
            raise StoreError(
                f"disk full: cannot write {name}; make room, then run the same command again"
            ) from error
        lines = without_password(str(error)).strip().splitlines() or [type(error).__name__]
        raise StoreError(
            f"the Optuna study in {name} cannot be used: {lines[0]}\n{_advice(error)}"
        ) from error


def _await(uri: str) -> None:
    if uri.startswith("sqlite"):
        return
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    deadline, told = time.monotonic() + _PATIENCE_SECONDS, False
    while time.monotonic() < deadline and not requests():
        try:
            with engine.connect():
                return
        except SQLAlchemyError as error:
            if not told:
                reason = without_password(str(error)).splitlines()[0]
                log.warning("%s: no answer yet, trying again: %s", shown(uri), reason)
                told = True
        time.sleep(_PAUSE_SECONDS)


def _advice(error: Exception) -> str:
    if os.environ.get("ABLAB_OPTUNA_STORAGE"):
        driver = "; its driver comes with ablab's extra 'postgres'" if isinstance(error, ImportError) else ""
        return f"mend or unset ABLAB_OPTUNA_STORAGE{driver}"
    return (
        "it holds nothing that the tracking store does not: where it is damaged, move it away and run again"
    )
