"""Gates as MLflow runs; see `ablab.tracking.gates.GateLog`."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mlflow.entities import Metric, RunTag

from ablab.paths import Paths
from ablab.tracking import provenance
from ablab.tracking.gates import GateRun
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.opening import open_study
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import Row, oldest_first, status

_ROLE = "gate"
_LONGEST_TAG = 4000
"""Characters; servers before MLflow 2.14 cut tags at 5000."""
_BATCH = 100
"""Tags in one request; a server takes no more."""


class MlflowGates:
    """The gates behind one address."""

    def __init__(self, uri: str, paths: Paths, *, patience_seconds: float | None = None) -> None:
        self._connection = Connection.patient(uri, paths, patience_seconds)
        self._paths = paths

    def open(self, study: str, gate: str, tags: Mapping[str, str]) -> str:
        """Begin the run of a gate."""
        connection = self._connection
        experiment = open_study(connection, self._paths, study)
        own = {**provenance.environment(), **tags, "study": study, "gate": gate, "role": _ROLE}

        def begin() -> str:
            # Tried again after an answer that was lost, this finds the run that it made.
            condition = f"tags.gate = '{gate}' AND tags.role = '{_ROLE}'"
            made = Remote(connection).search({experiment: study}, condition)
            if made:
                return made[0].run_id
            return str(connection.client.create_run(experiment, tags=own, run_name=gate).info.run_id)

        return connection.call("open a gate", begin)

    def finish(
        self,
        run_id: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        files: Mapping[str, str],
    ) -> None:
        """Write what was found and end the run."""
        call, client = self._connection.call, self._connection.client
        with tempfile.TemporaryDirectory(prefix="ablab-") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            call("store a gate", lambda: client.log_artifacts(run_id, folder))
        now = round(time.time() * 1000)
        values = [Metric(name, value, now, 0) for name, value in metrics.items() if math.isfinite(value)]
        texts = [RunTag(name, text[:_LONGEST_TAG]) for name, text in tags.items()]
        for start in range(0, max(len(values), len(texts)), _BATCH):
            part = slice(start, start + _BATCH)
            call("store a gate", partial(client.log_batch, run_id, values[part], (), texts[part]))
        call("close a gate", lambda: client.set_terminated(run_id, "FINISHED"))

    def names(self) -> tuple[str, ...]:
        """Names under which `gates` finds any."""
        return tuple(sorted({name for row in self._rows() for name in _names(row)}))

    def gates(self, name: str) -> tuple[GateRun, ...]:
        """Gates of this regression or baseline, oldest first."""
        return tuple(
            GateRun(row.run_id, row.study, status(row), dict(row.tags), dict(row.metrics))
            for row in self._rows()
            if name in _names(row)
        )

    def _rows(self) -> list[Row]:
        remote = Remote(self._connection)
        studies = remote.names()
        return oldest_first(remote.search(studies, f"tags.role = '{_ROLE}'")) if studies else []


def _names(row: Row) -> list[str]:
    return [row.tags[tag] for tag in ("regression", "baseline", "study") if tag in row.tags]
