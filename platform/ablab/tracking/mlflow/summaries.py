"""Writes the one summary run of each cell: for people who look into MLflow, never read as a source."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from mlflow.entities import Metric, RunTag

from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import SUPERSEDED, Row, oldest_first
from ablab.tracking.store import CellSummary
from ablab.tracking.tags import factor_tags

_ROLE = "cell"


def write(connection: Connection, experiment: str, study: str, cells: Sequence[CellSummary]) -> None:
    """Make each cell's summary run say what ``cells`` says; what it says already is not written again."""
    rows = oldest_first(Remote(connection).search({experiment: study}, f"tags.role = '{_ROLE}'"))
    there = {row.tags.get("cell"): row for row in rows}
    for cell in cells:
        values = {name: float(value) for name, value in cell.metrics.items() if math.isfinite(value)}
        row = there.get(cell.cell)
        if row is not None and row.metrics.keys() - values.keys():
            # MLflow cannot take a metric away again.
            _set(connection, row.run_id, {"role": SUPERSEDED}, {})
            row = None
        _write(connection, experiment, study, cell, values, row)


def _write(
    connection: Connection,
    experiment: str,
    study: str,
    cell: CellSummary,
    values: dict[str, float],
    row: Row | None,
) -> None:
    client = connection.client
    tags = {
        **factor_tags(cell.factors),
        "study": study,
        "cell": cell.cell,
        "label": cell.label,
        "role": _ROLE,
    }

    def make() -> str:
        return str(client.create_run(experiment, tags=tags, run_name=f"{cell.label} · summary").info.run_id)

    run_id = connection.call("open a summary", make) if row is None else row.run_id
    old_tags, old_values = (tags, {}) if row is None else (row.tags, row.metrics)
    _set(
        connection,
        run_id,
        {name: text for name, text in tags.items() if old_tags.get(name) != text},
        {name: value for name, value in values.items() if old_values.get(name) != value},
    )
    if row is None or row.status != "FINISHED":
        connection.call("close a summary", lambda: client.set_terminated(run_id, "FINISHED"))


def _set(connection: Connection, run_id: str, tags: dict[str, str], values: dict[str, float]) -> None:
    if not tags and not values:
        return
    now = round(time.time() * 1000)
    connection.call(
        "write a summary",
        lambda: connection.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in values.items()],
            tags=[RunTag(name, text) for name, text in tags.items()],
        ),
    )
