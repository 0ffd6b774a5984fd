"""Writes one run: every row into its journal at once, from where a thread carries it to MLflow.

Every metric keeps the timestamp it was measured at. Nothing here waits for the store for more than seconds.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

from ablab.spec.record import SubjectScore
from ablab.tracking.journal import Journal
from ablab.tracking.lookup import first_line
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.delivery import MAX_METRICS, MAX_TAGS, Courier
from ablab.tracking.mlflow.rows import subject_tags

_LONGEST_PARAM = 6000
"""Characters; MLflow cuts longer values with no more than a warning."""
_FLUSH_SECONDS = 5.0
"""How long a flush waits for the store, so that reads see what was flushed."""
_FINISH_SECONDS, _KILL_SECONDS = 10.0, 1.0
"""For the last rows of a run; what has not arrived then is delivered by the orchestrator, or by the next."""


class MlflowWriter:
    """Writes one run; see `ablab.tracking.store.RunWriter`."""

    def __init__(self, connection: Connection, run_id: str, journal: Journal, *, is_continued: bool) -> None:
        """``journal`` is open, and all that earlier attempts wrote into it has arrived."""
        self._connection = connection
        self._client = connection.client
        self._run_id = run_id
        self._journal = journal
        self._unsent = 0
        self._written: set[tuple[str, int]] = set()
        self._last: dict[str, tuple[int, float]] = {}
        self._newest = 0
        self._not_finite: set[str] = set()
        self._kept: set[str] = set()
        self._is_open = True
        if is_continued:
            self._recall()
        self._courier = Courier(connection, run_id, journal)

    @property
    def run_id(self) -> str:
        """MLflow's id of the run."""
        return self._run_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append scalars at a step; what is not finite is left out and named in the tag ``not_finite``."""
        self._check_open()
        new = {name: float(value) for name, value in values.items() if (name, step) not in self._written}
        self._append(step, new, self._now())

    def tag(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._check_open()
        names = list(values)
        for start in range(0, len(names), MAX_TAGS):
            part = {name: values[name] for name in names[start : start + MAX_TAGS]}
            self._journal.append({"tags": part})

    def artifact(self, file: Path, folder: str = "") -> None:
        """Keep a copy of a file, or of all that a folder holds."""
        self._check_open()
        copy = shutil.copytree if file.is_dir() else shutil.copyfile
        self._journal.keep(file.name, partial(copy, file), folder)
        self._kept.add(f"{folder}/{file.name}" if folder else file.name)

    def text(self, name: str, text: str) -> None:
        """Keep a text as an artifact."""
        self._journal.keep(name, lambda place: place.write_text(text, encoding="utf-8"), "")

    def params(self, values: Mapping[str, str]) -> None:
        """Set the parameters of a new run; MLflow never lets them change."""
        params = {name: text for name, text in values.items() if len(text) <= _LONGEST_PARAM}
        names = list(params)
        for start in range(0, len(names), MAX_TAGS):
            self._journal.append({"params": {name: params[name] for name in names[start : start + MAX_TAGS]}})

    def flush(self) -> None:
        """Secure what was written, and wait a moment for it to arrive."""
        self._check_open()
        self._journal.secure()
        self._courier.drain(_FLUSH_SECONDS)
        self._unsent = 0
        self._check_refused()

    def abandon(self) -> None:
        """Write no more, and leave the journal to whoever continues the run."""
        self._is_open = False
        self._courier.stop()
        self._journal.close()

    def finish(self, metrics: Mapping[str, float], subjects: Sequence[SubjectScore]) -> None:
        """Store table and final metrics, and only then mark the run finished."""
        self._check_open()
        if "per_subject.csv" not in self._kept:
            self.text("per_subject.csv", _csv(subjects))
        # A final value may differ from the last point of the curve of that name (the best checkpoint is
        # seldom the last): it stands at the last step, later in time, which makes it the metric's last value.
        step = max((step for step, _ in self._last.values()), default=0)
        differing = {
            name: float(value)
            for name, value in metrics.items()
            if name not in self._last or self._last[name][1] != float(value)
        }
        self._append(step, differing, self._now())
        self.tag(subject_tags(subjects))
        self._end("FINISHED", _FINISH_SECONDS)

    def fail(self, error: str, traceback: str) -> None:
        """Mark the run failed, with the traceback as an artifact."""
        self._check_open()
        self.tag({"error": first_line(error)})
        try:
            self.text("traceback.txt", traceback)
        finally:
            self._end("FAILED", _FINISH_SECONDS)

    def kill(self, reason: str) -> None:
        """Mark the run killed."""
        self._check_open()
        self.tag({"error": first_line(reason)})
        self._end("KILLED", _KILL_SECONDS)

    def _append(self, step: int, values: Mapping[str, float], now: int) -> None:
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        names = list(finite)
        for start in range(0, len(names), MAX_METRICS):
            part = names[start : start + MAX_METRICS]
            self._journal.append({"metrics": [[name, finite[name], now, step] for name in part]})
        for name, value in finite.items():
            self._written.add((name, step))
            if name not in self._last or step >= self._last[name][0]:
                self._last[name] = (step, value)
        if not values.keys() - finite.keys() <= self._not_finite:
            self._not_finite |= values.keys() - finite.keys()
            self.tag({"not_finite": ", ".join(sorted(self._not_finite))})
        self._unsent += len(finite)
        if self._unsent >= MAX_METRICS:
            self._unsent = 0
            self._courier.nudge()
        self._check_refused()

    def _recall(self) -> None:
        """What earlier attempts wrote: their points stay, and are not written a second time."""
        call = self._connection.call
        names = call("read the run", lambda: self._client.get_run(self._run_id)).data.metrics
        for name in names:
            points = call(
                "read the run's curves", partial(self._client.get_metric_history, self._run_id, name)
            )
            for point in points:
                self._written.add((name, point.step))
                self._newest = max(self._newest, point.timestamp)
            self._last[name] = (max(point.step for point in points), names[name])

    def _now(self) -> int:
        """Milliseconds since 1970, never the same twice: at the last step the latest value counts."""
        self._newest = max(self._newest + 1, round(time.time() * 1000))
        return self._newest

    def _end(self, status: str, seconds: float) -> None:
        self._journal.append({"end": status, "at": round(time.time() * 1000)})
        self._journal.secure()
        self._is_open = False
        arrived = self._courier.drain(seconds, even_if_away=True)
        self._courier.stop()
        if arrived:
            self._journal.remove()
        else:
            self._journal.close()
        self._check_refused()

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError(f"run {self._run_id} has ended; nothing can be written to it any more")

    def _check_refused(self) -> None:
        if self._courier.refusal is not None:
            raise self._courier.refusal


def _csv(subjects: Sequence[SubjectScore]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([column.name for column in fields(SubjectScore)])
    table.writerows(["" if value is None else value for value in astuple(score)] for score in subjects)
    return text.getvalue()
