"""Writes one run into MLflow: buffers metrics and tags, sends them in batches, closes the run.

Every metric keeps the timestamp it was measured at, so a batch that is sent again after a lost answer leaves
no second point: MLflow drops identical rows.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Param, RunTag

from ablab.spec.record import SubjectScore
from ablab.tracking.lookup import first_line
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.rows import subject_tags

MAX_METRICS, MAX_TAGS = 900, 100
"""Per batch; MLflow takes 1000 metrics, 100 tags, 100 params and 1000 of all together."""
_LONGEST_PARAM = 6000
"""Characters; MLflow cuts longer values with no more than a warning."""
_FLUSH_SECONDS = 10.0
"""Age at which buffered metrics are sent, so that the UI follows a run."""


T = TypeVar("T")


class MlflowWriter:
    """Writes one run; see `ablab.tracking.store.RunWriter`."""

    def __init__(self, connection: Connection, run_id: str, *, is_continued: bool) -> None:
        self._connection = connection
        self._client = connection.client
        self._run_id = run_id
        self._metrics: list[Metric] = []
        self._tags: dict[str, str] = {}
        self._sent_at = time.monotonic()
        self._written: set[tuple[str, int]] = set()
        self._last: dict[str, tuple[int, float]] = {}
        self._newest = 0
        self._not_finite: set[str] = set()
        self._kept: set[str] = set()
        self._is_open = True
        if is_continued:
            self._recall()

    @property
    def run_id(self) -> str:
        """MLflow's id of the run."""
        return self._run_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append scalars at a step; what is not finite is left out and named in the tag ``not_finite``."""
        self._check_open()
        now = self._now()
        for name, value in values.items():
            if (name, step) not in self._written:
                self._append(name, step, float(value), now)
        if len(self._metrics) >= MAX_METRICS or time.monotonic() - self._sent_at > _FLUSH_SECONDS:
            self.flush()

    def tag(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._check_open()
        self._tags.update(values)

    def artifact(self, file: Path, folder: str = "") -> None:
        """Keep a copy of a file, or of all that a folder holds."""
        self._check_open()
        send = self._client.log_artifacts if file.is_dir() else self._client.log_artifact
        self._call(f"store {file.name}", lambda: send(self._run_id, str(file), folder or None))
        self._kept.add(f"{folder}/{file.name}" if folder else file.name)

    def text(self, name: str, text: str) -> None:
        """Keep a text as an artifact."""
        self._call(f"store {name}", lambda: self._client.log_text(self._run_id, text, name))

    def params(self, values: Mapping[str, str]) -> None:
        """Set the parameters of a new run; MLflow never lets them change."""
        params = [Param(name, text) for name, text in values.items() if len(text) <= _LONGEST_PARAM]
        for start in range(0, len(params), MAX_TAGS):
            part = params[start : start + MAX_TAGS]
            self._call("write parameters", partial(self._client.log_batch, self._run_id, params=part))

    def flush(self) -> None:
        """Send what is buffered."""
        while self._metrics or self._tags:
            metrics = self._metrics[:MAX_METRICS]
            names = list(self._tags)[:MAX_TAGS]
            tags = [RunTag(name, self._tags[name]) for name in names]
            send = partial(self._client.log_batch, self._run_id, metrics=metrics, tags=tags)
            self._call("write metrics", send)
            del self._metrics[: len(metrics)]
            for name in names:
                del self._tags[name]
        self._sent_at = time.monotonic()

    def finish(self, metrics: Mapping[str, float], subjects: Sequence[SubjectScore]) -> None:
        """Store table and final metrics, and only then mark the run finished."""
        self._check_open()
        if "per_subject.csv" not in self._kept:
            self.text("per_subject.csv", _csv(subjects))
        # A final value may differ from the last point of the curve of that name (the best checkpoint is
        # seldom the last): it stands at the last step, later in time, which makes it the metric's last value.
        step = max((step for step, _ in self._last.values()), default=0)
        now = self._now()
        for name, value in metrics.items():
            if name not in self._last or self._last[name][1] != float(value):
                self._append(name, step, float(value), now)
        self.tag(subject_tags(subjects))
        self._end("FINISHED")

    def fail(self, error: str, traceback: str) -> None:
        """Mark the run failed, with the traceback as an artifact."""
        self._check_open()
        self.tag({"error": first_line(error)})
        try:
            self.text("traceback.txt", traceback)
        finally:
            self._end("FAILED")

    def kill(self, reason: str) -> None:
        """Mark the run killed."""
        self._check_open()
        self.tag({"error": first_line(reason)})
        self._end("KILLED")

    def _append(self, name: str, step: int, value: float, now: int) -> None:
        if not math.isfinite(value):
            if name not in self._not_finite:
                self._not_finite.add(name)
                self._tags["not_finite"] = ", ".join(sorted(self._not_finite))
            return
        self._metrics.append(Metric(name, value, now, step))
        self._written.add((name, step))
        if name not in self._last or step >= self._last[name][0]:
            self._last[name] = (step, value)

    def _recall(self) -> None:
        """What earlier attempts wrote: their points stay, and are not written a second time."""
        names = self._call("read the run", lambda: self._client.get_run(self._run_id)).data.metrics
        for name in names:
            points = self._call(
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

    def _end(self, status: str) -> None:
        self.flush()
        self._call(f"mark the run {status}", lambda: self._client.set_terminated(self._run_id, status))
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError(f"run {self._run_id} has ended; nothing can be written to it any more")

    def _call(self, act: str, function: Callable[[], T]) -> T:
        return self._connection.call(act, function)


def _csv(subjects: Sequence[SubjectScore]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([column.name for column in fields(SubjectScore)])
    table.writerows(["" if value is None else value for value in astuple(score)] for score in subjects)
    return text.getvalue()
