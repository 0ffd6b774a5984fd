"""A store with thousands of finished runs, made in seconds: one run is recorded, and its rows are copied.

What is copied is what the store itself wrote, in MLflow's own tables; the copies differ in run id, key, cell
and factors, as runs of other cells do.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from pathlib import Path

from ablab.data.datasets import fingerprint
from ablab.orchestration.preparation import planned
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial
from ablab.tracking.mlflow.store import MlflowStore

METRICS = 20


def fill(grid: Path, home: Path, *, leave_out: int) -> None:
    """Give every trial of the grid a finished run but for the last ``leave_out``."""
    paths = Paths(home)
    trials = planned(load_grid(grid), lambda dataset: fingerprint(dataset, paths))
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    first, *others = trials[: len(trials) - leave_out]
    writer = store.open_run(first)
    values = {f"quantity/{number}": 0.01 * number for number in range(METRICS)}
    for step in range(3):
        writer.metrics(step, values)
    scores = tuple(SubjectScore(f"s{n}", 4, 8, 0.1, 0.1, 0.0, 0.05) for n in range(8))
    writer.finish({**values, "test/pearson": 0.1, "validation/pearson": 0.1}, scores)
    with sqlite3.connect(paths.mlflow_db) as connection:
        for trial in others:
            _copy(connection, writer.run_id, trial)


def _copy(connection: sqlite3.Connection, template: str, trial: Trial) -> None:
    run_id = uuid.uuid4().hex
    own = {
        "key": trial.key,
        "cell": trial.cell.id,
        "label": trial.cell.label,
        "seed": str(trial.seed),
        "ablab.spec": trial.cell.experiment.model_dump_json(),
        "ablab.factors": json.dumps(dict(trial.cell.factors)),
    }
    for table in ("runs", "tags", "params", "latest_metrics", "metrics"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        chosen = ", ".join("?" if column == "run_uuid" else column for column in columns)
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} WHERE run_uuid = ?",
            (run_id, template),
        )
    connection.executemany(
        "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?",
        [(value, run_id, key) for key, value in own.items()],
    )
