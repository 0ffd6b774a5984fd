"""Runs as they are, out of one MLflow store and into another: for bundles that move between machines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from mlflow.entities import Metric, Param, RunTag

from ablab.errors import InputError, StoreError
from ablab.paths import Paths
from ablab.tracking import lookup
from ablab.tracking.bundle import StoredRun
from ablab.tracking.mlflow import files
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.delivery import MAX_METRICS, MAX_TAGS
from ablab.tracking.mlflow.opening import open_study
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import Row, record, status

IMPORTED = "imported_from"
"""Tag of an imported run: its id in the store that it came from."""

_DESCRIPTION = "mlflow.note.content"

Taken = Literal["imported", "here already", "another run of this key"]


class Transfer:
    """Reads and writes whole runs of one store."""

    def __init__(self, connection: Connection, paths: Paths) -> None:
        self._call, self._client = connection.call, connection.client
        self._connection, self._paths = connection, paths

    def rows(self, study: str) -> list[Row]:
        """The trials of a study, superseded ones and those that run included, oldest first."""
        return [row for row in Remote(self._connection).rows(study, full=True) if row.is_trial]

    def description(self, study: str) -> str | None:
        """The text on top of the study's page."""
        found = Remote(self._connection).experiment(study)
        return found.tags.get(_DESCRIPTION) if found is not None else None

    def read(self, row: Row) -> StoredRun:
        """One run with every point of its metrics."""
        data = self._call("read a run", lambda: self._client.get_run(row.run_id)).data
        points = [
            (name, point.value, point.timestamp, point.step)
            for name in sorted(data.metrics)
            for point in self._call(
                "read a curve", partial(self._client.get_metric_history, row.run_id, name)
            )
        ]
        return StoredRun(
            run_id=row.run_id,
            name=row.tags.get("mlflow.runName", ""),
            status=status(row).upper(),  # type: ignore[arg-type]
            start=row.start,
            end=row.end,
            tags={name: text for name, text in row.tags.items() if name != "mlflow.user"},
            params=dict(data.params),
            points=tuple(points),
        )

    @contextmanager
    def artifacts(self, row: Row) -> Iterator[Path | None]:
        """The run's files as a folder; a download goes with the ``with`` block."""
        here = files.local_folder(row.artifact_uri)
        if here is not None:
            yield here if here.is_dir() else None
            return
        self._paths.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="export-", dir=self._paths.cache) as place:
            found = self._call("fetch files", lambda: self._client.download_artifacts(row.run_id, "", place))
            yield Path(found)

    def check(self, study: str, run: StoredRun) -> None:
        """Raise InputError for a run whose tags do not read as a run of this study."""
        metrics = {name: value for name, value, _, _ in run.points}
        row = Row(run.run_id, study, run.status, run.start, run.end, "", run.tags, metrics)
        if not row.is_trial or run.tags.get("study") != study or not lookup.is_prefix(row.key):
            raise InputError(
                f"run {run.run_id} of the bundle is no run of study {study}; nothing was imported"
            )
        try:
            record(row)
        except StoreError as error:
            raise InputError(f"{error}; nothing was imported") from error

    def write(self, study: str, run: StoredRun, artifacts: Path) -> Taken:
        """Record a checked run here, unless it is here; an import that was interrupted goes on."""
        experiment = open_study(self._connection, self._paths, study)
        condition = f"tags.key = '{run.tags['key']}'"
        there = Remote(self._connection).search({experiment: study}, condition)
        origin = run.tags.get(IMPORTED, run.run_id)
        mine = [row for row in there if origin in (row.run_id, row.tags.get(IMPORTED))]
        if mine and status(mine[0]) != "running":
            return "here already"
        is_current = not run.tags.get("superseded_by")
        if not mine and is_current and any(row.is_current and row.role == run.tags["role"] for row in there):
            return "another run of this key"
        run_id = mine[0].run_id if mine else self._begun(experiment, run, origin)
        self._fill(run_id, run, artifacts)
        return "imported"

    def describe(self, study: str, text: str) -> None:
        """Set the study's description where it has none."""
        experiment = open_study(self._connection, self._paths, study)
        client = self._client
        tags = self._call("read the study", lambda: client.get_experiment(experiment)).tags
        if _DESCRIPTION not in tags:
            self._call(
                "describe the study",
                lambda: client.set_experiment_tag(experiment, _DESCRIPTION, text),
            )

    def _begun(self, experiment: str, run: StoredRun, origin: str) -> str:
        tags = {IMPORTED: origin, "key": run.tags["key"], "role": run.tags["role"]}
        made = self._call(
            "begin an imported run",
            lambda: self._client.create_run(experiment, run.start, tags, run_name=run.name or None),
        )
        return str(made.info.run_id)

    def _fill(self, run_id: str, run: StoredRun, artifacts: Path) -> None:
        send = partial(self._client.log_batch, run_id)
        metrics = [Metric(name, value, timestamp, step) for name, value, timestamp, step in run.points]
        for start in range(0, len(metrics), MAX_METRICS):
            self._call("write metrics", partial(send, metrics=metrics[start : start + MAX_METRICS]))
        params = [Param(name, text) for name, text in run.params.items()]
        tags = [RunTag(name, text) for name, text in run.tags.items() if name != IMPORTED]
        for start in range(0, len(params), MAX_TAGS):
            self._call("write parameters", partial(send, params=params[start : start + MAX_TAGS]))
        for start in range(0, len(tags), MAX_TAGS):
            self._call("write tags", partial(send, tags=tags[start : start + MAX_TAGS]))
        if artifacts.is_dir():
            self._call("store files", lambda: self._client.log_artifacts(run_id, str(artifacts)))
        # The end comes last: a run that reads as ended is whole.
        self._call("end an imported run", lambda: self._client.set_terminated(run_id, run.status, run.end))
