"""Delivers the journals of processes that are gone."""

from __future__ import annotations

from collections.abc import Callable

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking.journal import Head, Journal, JournalInUseError, undelivered
from ablab.tracking.mlflow.address import lasting
from ablab.tracking.mlflow.connection import Connection, Refused
from ablab.tracking.mlflow.delivery import deliver
from ablab.tracking.store import Delivery, Left


def deliver_left(
    connection: Connection,
    paths: Paths,
    wanted: Callable[[Head], bool],
    patience_seconds: float | None = None,
) -> Delivery:
    """Send what the wanted journals hold, and remove those that the store has whole."""
    delivered, left = [], []
    here = lasting(connection.uri, paths.mlflow_db)
    for head, folder in undelivered(paths):
        if not wanted(head):
            continue
        name = f"{head.study}: {head.cell} seed {head.seed}"
        if head.store != here:
            elsewhere = head.store or f"sqlite:///{paths.mlflow_db}"
            reason = f"it belongs into {elsewhere}: set MLFLOW_TRACKING_URI to that, then `ablab store sync`"
            left.append(Left(head.run_id, head.study, name, folder, reason))
            continue
        try:
            journal = Journal(folder)
        except (JournalInUseError, FileNotFoundError):
            continue
        try:
            deliver(connection, head.run_id, journal, patience_seconds)
        except Refused as refusal:
            reason = f"{refusal}; mend that, or delete {folder} to go on without what it holds"
            left.append(Left(head.run_id, head.study, name, folder, reason))
        except ValueError as damage:
            reason = f"a row of it does not read ({damage}); delete {folder} to go on without what it holds"
            left.append(Left(head.run_id, head.study, name, folder, reason))
        except (
            StoreError,
            OSError,
        ) as away:  # OSError: the disk is full, and what has arrived cannot be noted
            left.append(Left(head.run_id, head.study, name, folder, str(away)))
            patience_seconds = 0.0  # one wait is enough
        else:
            journal.remove()
            delivered.append(head.run_id)
        finally:
            journal.close()
    return Delivery(tuple(delivered), tuple(left))
