"""Writes a baseline's result as one finished run, in an experiment of its own that is no study."""

from __future__ import annotations

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking import provenance
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.left_over import deliver_left
from ablab.tracking.mlflow.opening import mlflow_tags, open_journal, open_study
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import now_text, oldest_first, status
from ablab.tracking.mlflow.writer import MlflowWriter
from ablab.tracking.store import BASELINES, BaselineRun

ROLE = "baseline"


def keep(connection: Connection, paths: Paths, run: BaselineRun) -> str:
    """The run of this key, written where it is not there or was not finished."""
    for left in deliver_left(connection, paths, lambda head: head.key == run.key).left:
        raise StoreError(f"what an earlier attempt left in {left.folder} has to arrive first: {left.reason}")
    experiment = open_study(connection, paths, BASELINES, is_study=False)
    condition = f"tags.key = '{run.key}' AND tags.role = '{ROLE}'"
    there = oldest_first(Remote(connection).search({experiment: BASELINES}, condition))
    for row in there:
        if status(row) == "finished":
            return row.run_id
    tags = {
        **run.tags,
        "key": run.key,
        "role": ROLE,
        "label": run.label,
        "started": now_text(),
        **provenance.environment(),
        **mlflow_tags(),
    }

    def make() -> str:
        made = connection.client.create_run(experiment, tags=tags, run_name=run.label)
        return str(made.info.run_id)

    # A run whose process died before it was finished is written on: nothing of it says otherwise.
    run_id = there[0].run_id if there else connection.call("open a baseline run", make)
    journal = open_journal(connection, paths, run_id, study=BASELINES, cell=run.label, seed=0, key=run.key)
    writer = MlflowWriter(connection, run_id, journal, is_continued=bool(there))
    writer.params(run.params)
    writer.finish(run.metrics, run.subjects)
    return run_id
