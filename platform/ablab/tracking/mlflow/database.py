"""Reads runs straight from MLflow's SQLite file, without importing MLflow.

Importing MLflow's client and its SQL store costs 2.5 s of CPU, more than a reading command may take in
all; this takes milliseconds. It reads tables that MLflow has had since its first SQL store, after checking
that their columns are there; where they are not, `MlflowStore` reads through MLflow's client, which gives
the same rows.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from ablab.errors import StoreError
from ablab.tracking.mlflow.address import shown
from ablab.tracking.mlflow.rows import STATE_TAGS, STUDY_TAG, TOUCHED_TAG, Row
from ablab.tracking.store import Curve

_NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "experiment_tags": {"experiment_id", "key", "value"},
    "runs": {
        "run_uuid",
        "experiment_id",
        "status",
        "start_time",
        "end_time",
        "artifact_uri",
        "lifecycle_stage",
    },
    "tags": {"run_uuid", "key", "value"},
    "latest_metrics": {"run_uuid", "key", "value", "is_nan"},
    "metrics": {"run_uuid", "key", "value", "step", "timestamp", "is_nan"},
}

_BUSY_SECONDS = 30.0
"""How long to wait for a writer; MLflow's own writers wait 20 s for one another."""


class Database:
    """The runs in one SQLite file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_readable(self) -> bool:
        """Whether the file, where it exists, has the tables that are read here."""
        if not self._file.exists():
            return True
        with self._open() as connection:
            return all(
                needed <= {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}
                for table, needed in _NEEDED.items()
            )

    def studies(self) -> dict[str, str]:
        """Name of every study -> when a run of it was last opened."""
        if not self._file.exists():
            return {}
        with self._open() as connection:
            return dict(
                connection.execute(
                    "SELECT e.name, coalesce(t.value, '') FROM experiments e"
                    " JOIN experiment_tags s ON s.experiment_id = e.experiment_id AND s.key = ?"
                    " LEFT JOIN experiment_tags t ON t.experiment_id = e.experiment_id AND t.key = ?"
                    " WHERE e.lifecycle_stage = 'active'",
                    (STUDY_TAG, TOUCHED_TAG),
                )
            )

    def rows(self, study: str, *, full: bool, cells: Collection[str] | None = None) -> list[Row]:
        """Runs of a study, or of some cells; with state tags only, or ``full``: all tags and last metrics."""
        if cells is None:
            return self._rows("e.name = ?", (study,), full=full)
        of_cell = (
            "EXISTS (SELECT 1 FROM tags c WHERE c.run_uuid = r.run_uuid AND c.key = 'cell'"
            f" AND c.value IN ({', '.join('?' * len(cells))}))"
        )
        return self._rows(f"e.name = ? AND {of_cell}", (study, *cells), full=full)

    def study_tag(self, study: str, tag: str) -> str | None:
        """A tag of the study's experiment."""
        if not self._file.exists():
            return None
        with self._open() as connection:
            found = connection.execute(
                "SELECT t.value FROM experiments e"
                " JOIN experiment_tags t ON t.experiment_id = e.experiment_id"
                " WHERE e.name = ? AND t.key = ? AND e.lifecycle_stage = 'active'",
                (study, tag),
            ).fetchone()
        return None if found is None else str(found[0])

    def of_key(self, study: str, key: str) -> list[Row]:
        """Runs of one key in a study, with all their tags."""
        of_key = (
            "EXISTS (SELECT 1 FROM tags k WHERE k.run_uuid = r.run_uuid AND k.key = 'key' AND k.value = ?)"
        )
        return self._rows(f"e.name = ? AND {of_key}", (study, key), full=True)

    def find(self, run: str) -> list[Row]:
        """Runs with this run id, or whose key begins with ``run`` (hex digits), with state tags only."""
        return self._rows(
            "r.run_uuid = ? OR EXISTS (SELECT 1 FROM tags k WHERE k.run_uuid = r.run_uuid"
            " AND k.key = 'key' AND substr(k.value, 1, ?) = ?)",
            (run, len(run), run),
            full=False,
        )

    def curves(self, run_id: str, beginning: tuple[str, ...]) -> dict[str, Curve]:
        """The points of every metric of a run whose name begins so."""
        points: dict[str, dict[int, float]] = defaultdict(dict)
        with self._open() as connection:
            for name, step, value in connection.execute(
                "SELECT key, step, value FROM metrics WHERE run_uuid = ? AND NOT is_nan"
                " ORDER BY key, step, timestamp DESC",
                (run_id,),
            ):
                points[name][step] = value
        return {name: tuple(values.items()) for name, values in points.items() if name.startswith(beginning)}

    def courses(self, study: str, metric: str) -> dict[str, Curve]:
        """One metric's points of every run of a study, by run id."""
        if not self._file.exists():
            return {}
        points: dict[str, dict[int, float]] = defaultdict(dict)
        with self._open() as connection:
            for run_id, step, value in connection.execute(
                "SELECT m.run_uuid, m.step, m.value FROM experiments e"
                " JOIN runs r ON r.experiment_id = e.experiment_id AND r.lifecycle_stage = 'active'"
                " JOIN metrics m ON m.run_uuid = r.run_uuid AND m.key = ? AND NOT m.is_nan"
                " WHERE e.name = ? AND e.lifecycle_stage = 'active'"
                " ORDER BY m.run_uuid, m.step, m.timestamp DESC",
                (metric, study),
            ):
                points[run_id][step] = value
        return {run_id: tuple(values.items()) for run_id, values in points.items()}

    def _rows(self, condition: str, values: tuple[object, ...], *, full: bool) -> list[Row]:
        if not self._file.exists():
            return []
        chosen = (
            "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
            f" WHERE e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active' AND ({condition})"
        )
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        with self._open() as connection:
            # One transaction, so that tags and metrics are of the same moment as the status.
            connection.execute("BEGIN")
            runs: Sequence[tuple[str, str, str, int, int | None, str]] = connection.execute(
                f"SELECT r.run_uuid, e.name, r.status, r.start_time, r.end_time, r.artifact_uri {chosen}",
                values,
            ).fetchall()
            inner = f"IN (SELECT r.run_uuid {chosen})"
            wanted = "" if full else f" AND key IN ({', '.join('?' * len(STATE_TAGS))})"
            for run_id, key, value in connection.execute(
                f"SELECT run_uuid, key, value FROM tags WHERE run_uuid {inner}{wanted}",
                values if full else values + STATE_TAGS,
            ):
                tags[run_id][key] = value
            if full:
                for run_id, key, number in connection.execute(
                    f"SELECT run_uuid, key, value FROM latest_metrics WHERE NOT is_nan AND run_uuid {inner}",
                    values,
                ):
                    metrics[run_id][key] = number
        return [
            Row(run_id, study, status, start, end, uri or "", tags[run_id], metrics[run_id])
            for run_id, study, status, start, end, uri in runs
        ]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"file:{quote(str(self._file.absolute()))}?mode=ro"
            with closing(
                sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection:
                yield connection
        except sqlite3.Error as error:
            raise StoreError(
                f"{shown(f'sqlite:///{self._file}')}: cannot be read ({error}); "
                "is it MLflow's database, and may you read it?"
            ) from error
