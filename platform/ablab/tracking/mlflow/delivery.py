"""Carries a journal's rows to MLflow, in order: at once by a thread, or later by whoever finds them.

MLflow drops a metric row that it has already, so rows that are sent again after a lost answer leave no second
point. The thread keeps a server that is away, or slow, from holding up the training.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from mlflow.entities import Metric, Param, RunTag

from ablab.errors import StoreError
from ablab.tracking.full_disk import is_full_disk
from ablab.tracking.journal import Journal, Row
from ablab.tracking.mlflow.connection import Connection, Refused

MAX_METRICS, MAX_TAGS = 900, 100
"""Per batch; MLflow takes 1000 metrics, 100 tags, 100 params and 1000 of all together."""
_SECONDS_BETWEEN = 10.0
"""Age at which rows are sent, so that the UI follows a run."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0

logger = logging.getLogger("ablab")


@dataclass(slots=True)
class _Batch:
    """Rows that go in one request, or one file, or the end."""

    metrics: list[Metric] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    single: Row | None = None
    offset: int = 0

    def takes(self, row: Row) -> bool:
        """Whether the row fits in; a file and the end go alone."""
        if self.single is not None or "file" in row or "end" in row:
            return not self.offset
        return (
            len(self.metrics) + len(row.get("metrics", ())) <= MAX_METRICS
            and len(self.tags) + len(row.get("tags", ())) <= MAX_TAGS
            and len(self.params) + len(row.get("params", ())) <= MAX_TAGS
        )

    def add(self, row: Row, offset: int) -> None:
        """Take the row in."""
        self.metrics += [Metric(name, value, at, step) for name, value, at, step in row.get("metrics", ())]
        self.tags |= row.get("tags", {})
        self.params |= row.get("params", {})
        if "file" in row or "end" in row:
            self.single = row
        self.offset = offset


def deliver(
    connection: Connection, run_id: str, journal: Journal, patience_seconds: float | None = None
) -> bool:
    """Send what has not arrived; returns whether the run has ended with that, and the journal is done with.

    Raises StoreError where the store does not answer, Refused where it takes no row of this kind.
    """
    ended = False
    for batch in _batches(journal):
        _send(connection, run_id, journal, batch, patience_seconds)
        journal.mark(batch.offset)
        ended = batch.single is not None and "end" in batch.single
    return ended


def _batches(journal: Journal) -> Iterator[_Batch]:
    batch = _Batch()
    for row, offset in journal.pending():
        if not batch.takes(row):
            yield batch
            batch = _Batch()
        batch.add(row, offset)
    if batch.offset:
        yield batch


def _send(
    connection: Connection, run_id: str, journal: Journal, batch: _Batch, patience_seconds: float | None
) -> None:
    client, row = connection.client, batch.single
    if row is None:
        if batch.metrics or batch.tags or batch.params:
            tags = [RunTag(name, text) for name, text in batch.tags.items()]
            params = [Param(name, text) for name, text in batch.params.items()]
            send = partial(client.log_batch, run_id, metrics=batch.metrics, tags=tags, params=params)
            connection.call("write metrics", send, patience_seconds)
    elif "file" in row:
        file = journal.folder / row["file"]
        act = client.log_artifacts if file.is_dir() else client.log_artifact
        connection.call(
            f"store {file.name}", partial(act, run_id, str(file), row["folder"] or None), patience_seconds
        )
    else:
        end = partial(client.set_terminated, run_id, row["end"], row["at"])
        connection.call(f"mark the run {row['end']}", end, patience_seconds)


class Courier:
    """A thread that delivers one journal while its run is written.

    A store that does not answer (or whose disk is full) is tried again until it does; where it refuses,
    ``refusal`` says why and nothing more is sent.
    """

    def __init__(self, connection: Connection, run_id: str, journal: Journal) -> None:
        self._connection, self._run_id, self._journal = connection, run_id, journal
        self._state = threading.Condition()
        self._asked = self._urgent = self._stopped = self._away = self._idle = False
        self.refusal: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name=f"courier {run_id[:6]}", daemon=True)
        self._thread.start()

    def drain(self, seconds: float, *, even_if_away: bool = False) -> bool:
        """Deliver now, and wait so long for it; for a store that is known to be away only where told to.

        Returns whether everything has arrived.
        """
        deadline = time.monotonic() + seconds
        with self._state:
            self._asked, self._idle, self._urgent = True, False, even_if_away
            self._state.notify_all()
            while not self._idle and self.refusal is None and (even_if_away or not self._away):
                left = deadline - time.monotonic()
                if left <= 0:
                    self._away = True  # until it answers; nobody waits for it again
                    break
                self._state.wait(left)
            return self._idle

    def nudge(self) -> None:
        """Deliver soon."""
        with self._state:
            self._asked = True
            self._state.notify_all()

    def stop(self) -> None:
        """Send nothing more once the request that is under way has been answered; does not wait for it."""
        with self._state:
            self._stopped = True
            self._state.notify_all()

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._state:
                if pause:
                    self._state.wait_for(lambda: self._urgent or self._stopped, pause)
                else:
                    self._state.wait_for(lambda: self._asked or self._stopped, _SECONDS_BETWEEN)
                if self._stopped:
                    return
                self._asked = self._urgent = False
            try:
                deliver(self._connection, self._run_id, self._journal, 0.0)
            except Exception as error:
                if not _may_pass(error):
                    with self._state:
                        self.refusal = error if isinstance(error, StoreError) else StoreError(repr(error))
                        self._state.notify_all()
                    return
                if not pause:
                    logger.warning("kept in the journal until the store takes it: %s", error)
                pause = min(2 * pause or _FIRST_PAUSE, _LONGEST_PAUSE)
            else:
                if pause:
                    logger.warning("the store is back; the journal was delivered")
                pause = 0.0
            with self._state:
                self._away = pause > 0
                self._idle = not pause and not self._asked
                self._state.notify_all()


def _may_pass(error: Exception) -> bool:
    if is_full_disk(error):
        return True
    return isinstance(error, (StoreError, OSError)) and not isinstance(error, Refused)
