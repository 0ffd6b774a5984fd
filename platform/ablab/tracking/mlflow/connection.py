"""MLflow's client for one address: how it is made, when a call is tried again, what its errors become.

Importing this module imports MLflow; only functions that need it do so.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import requests
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.tracking.client import MlflowClient

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking.full_disk import is_full_disk
from ablab.tracking.mlflow.address import check, is_server, shown, sqlite_file, without_password

PATIENCE_SECONDS = 300.0
"""How long a call is tried again: a server that restarts or a database under load is back by then."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 20.0

_LOCKED = re.compile(r"database (table )?is locked|database schema is locked", re.IGNORECASE)
_HTTP_STATUS = re.compile(r"failed with error code (\d+)")
_WORTH_A_RETRY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "INTERNAL_ERROR")

logger = logging.getLogger("ablab")

T = TypeVar("T")


class Refused(StoreError):
    """The store answered no; ``code`` is MLflow's name of the reason."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Connection:
    """MLflow's client for one address, with patience."""

    def __init__(self, uri: str, paths: Paths, patience_seconds: float = PATIENCE_SECONDS) -> None:
        check(uri)
        self.uri = uri
        self._patience = patience_seconds
        quiet()
        self.client = self.call("open the store", lambda: _client(uri, paths))

    @classmethod
    def patient(cls, uri: str, paths: Paths, seconds: float | None) -> Connection:
        """A connection with so much patience; None for the usual."""
        return cls(uri, paths, PATIENCE_SECONDS if seconds is None else seconds)

    def answers(self) -> bool:
        """Whether the store answers now, if only by a refusal."""
        try:
            self.call("read", lambda: self.client.search_experiments(max_results=1), patience_seconds=0.0)
        except Refused:
            return True
        except StoreError:
            return False
        return True

    def call(self, act: str, function: Callable[[], T], patience_seconds: float | None = None) -> T:
        """What ``function`` returns; it is called again while the store cannot be reached or is locked.

        It may have taken effect although it raised, so it has to be one that can be repeated.
        ``patience_seconds``: for this call; None for the connection's own.
        """
        patience = self._patience if patience_seconds is None else patience_seconds
        deadline = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return function()
            except (MlflowException, requests.RequestException, OSError) as error:
                text = without_password(str(error)).splitlines()[0] if str(error) else type(error).__name__
                if is_full_disk(error):
                    text = "its disk is full"
                if not _is_transient(error, self.uri):
                    code = error.error_code if isinstance(error, MlflowException) else type(error).__name__
                    raise Refused(
                        f"{shown(self.uri)}: cannot {act}: {text}{_advice(self.uri, text)}", code
                    ) from error
                if time.monotonic() + pause > deadline:
                    since = f" for {patience:.0f} s" if patience else ""
                    raise StoreError(
                        f"{shown(self.uri)}: cannot {act}: no answer{since} ({text}); "
                        "check that the store is up, then run the same command again"
                    ) from error
                if pause == _FIRST_PAUSE:
                    logger.warning("%s: cannot %s yet, trying again: %s", shown(self.uri), act, text)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _client(uri: str, paths: Paths) -> MlflowClient:
    if is_server(uri):
        return MlflowClient(tracking_uri=uri)
    from sqlalchemy.exc import SQLAlchemyError

    # The first client of a database creates its tables, and two at once fail over it.
    lock = paths.lock("mlflow-schema")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            file = sqlite_file(uri)
            if file is not None and file.exists():
                return MlflowClient(tracking_uri=uri)  # `_create` made it whole, or MLflow does
            if file is not None:
                _create(file)
            return _touched(uri)
        except SQLAlchemyError as error:
            # Later calls wrap the database's errors so; the first one does not.
            raise MlflowException(str(error), TEMPORARILY_UNAVAILABLE) from error


def _create(file: Path) -> None:
    """Make the database under another name: a process killed half-way leaves nothing that looks like one."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    _touched(f"sqlite:///{unfinished}")
    unfinished.replace(file)


def _touched(uri: str) -> MlflowClient:
    """A client whose database has all its tables."""
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _is_transient(error: Exception, uri: str) -> bool:
    text = str(error)
    if isinstance(error, MlflowException):
        if not is_server(uri):
            is_sqlite = uri.startswith("sqlite")
            return bool(_LOCKED.search(text)) if is_sqlite else error.error_code == "TEMPORARILY_UNAVAILABLE"
        answered = _HTTP_STATUS.search(text)
        if answered:
            return int(answered[1]) >= 500 or int(answered[1]) == 429
        return error.error_code in _WORTH_A_RETRY
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, (requests.ConnectionError, requests.Timeout))


def _advice(uri: str, text: str) -> str:
    if "out-of-date database schema" in text and uri.startswith("sqlite"):
        return "; run `ablab store migrate`, which keeps the database as it was beside the new one"
    if "out-of-date database schema" in text:
        return f"; back the database up, then run `mlflow db upgrade {without_password(uri)}`"
    if re.search(r"\b40[13]\b|[Uu]nauthorized|[Pp]ermission", text) and is_server(uri):
        return "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    return ""


def quiet() -> None:
    """MLflow logs its own migrations and prints a traceback for every locked database; `call` reports."""
    for name, level in (
        ("mlflow", logging.ERROR),
        ("mlflow.store.db.utils", logging.CRITICAL),
        ("alembic", logging.ERROR),
    ):
        logging.getLogger(name).setLevel(level)
