"""The run store in MLflow: one experiment per study, one run per trial.

Reading a SQLite store imports no MLflow; whatever writes, and whatever is not SQLite, goes through MLflow's
client, which is imported and connected at the first such call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.spec.record import Role, RunRecord, Status
from ablab.spec.trial import Trial
from ablab.tracking import lookup
from ablab.tracking.journal import undelivered
from ablab.tracking.mlflow import files
from ablab.tracking.mlflow.address import check, lasting, probe, shown, sqlite_file
from ablab.tracking.mlflow.database import Database
from ablab.tracking.mlflow.rows import OWN_TAG, Row, oldest_first, record, state
from ablab.tracking.store import BaselineRun, CellSummary, Curve, Delivery, RunState, RunWriter

if TYPE_CHECKING:
    from pathlib import Path

    from ablab.tracking.mlflow.connection import Connection
    from ablab.tracking.mlflow.writer import MlflowWriter

_LONGEST_DESCRIPTION = 5000
"""Characters; what older servers keep of an experiment's tag."""


class _Source(Protocol):
    def studies(self) -> dict[str, str]: ...
    def rows(self, study: str, *, full: bool, cells: Collection[str] | None = None) -> list[Row]: ...
    def study_tag(self, study: str, tag: str) -> str | None: ...
    def find(self, run: str) -> list[Row]: ...
    def curves(self, run_id: str, beginning: tuple[str, ...]) -> dict[str, Curve]: ...
    def courses(self, study: str, metric: str) -> dict[str, Curve]: ...


class MlflowStore:
    """Runs in MLflow; see `ablab.tracking.store.RunStore`. Making one connects nowhere."""

    def __init__(self, uri: str, paths: Paths, *, patience_seconds: float | None = None) -> None:
        check(uri)
        self._uri = uri
        self._paths = paths
        self._patience = patience_seconds
        self._writers: dict[tuple[str, Role], MlflowWriter] = {}

    @property
    def address(self) -> str:
        """The database file or the server, without any password."""
        return shown(self._uri)

    @property
    def is_shared(self) -> bool:
        """Whether it is any other than the SQLite file under the state root."""
        return lasting(self._uri, self._paths.mlflow_db) != ""

    def study_tag(self, study: str, name: str) -> str | None:
        """A text kept with the study."""
        return self._source.study_tag(study, f"{OWN_TAG}{name}")

    def tag_study(self, study: str, name: str, text: str | None) -> None:
        """Keep a text with the study, or remove it."""
        from ablab.tracking.mlflow.opening import open_study

        call, client, tag = self._connection.call, self._connection.client, f"{OWN_TAG}{name}"
        if text is not None:
            experiment = open_study(self._connection, self._paths, study, is_study=False)  # not by this alone
            call(f"write study {study}", lambda: client.set_experiment_tag(experiment, tag, text))
            return
        found = call(f"find study {study}", lambda: client.get_experiment_by_name(study))
        if found is not None and tag in found.tags:
            call(f"write study {study}", lambda: client.delete_experiment_tag(found.experiment_id, tag))

    def answers(self) -> bool:
        """Whether a store answers that is no file; a SQLite file is there, or is made."""
        try:
            probe(self._uri)
        except StoreError:
            return False
        # A server's health page may be well while its database is away.
        return sqlite_file(self._uri) is not None or self._connection.answers()

    def open_run(self, trial: Trial, role: Role = "seed") -> RunWriter:
        """Create or continue the run of this trial."""
        from ablab.tracking.mlflow.opening import open_run

        abandoned = self._writers.pop((trial.key, role), None)
        if abandoned is not None:
            abandoned.abandon()
        writer = open_run(self._connection, self._paths, trial, role)
        self._writers[trial.key, role] = writer
        return writer

    def studies(self) -> tuple[str, ...]:
        """Names of all studies, the one written to last first."""
        found = self._source.studies()
        return tuple(sorted(found, key=lambda name: (found[name], name), reverse=True))

    def states(self, study: str) -> tuple[RunState, ...]:
        """State of the current run of every key and role."""
        return tuple(state(row) for row in self._current(study, full=False))

    def records(
        self, study: str, role: Role = "seed", *, cells: Collection[str] | None = None
    ) -> tuple[RunRecord, ...]:
        """Record of the current run of every key with this role."""
        current = self._current(study, full=True, cells=cells)
        if not current:
            studies = self.studies()
            if study not in studies:
                raise lookup.no_study(study, studies, self.address)
        wanted = (row for row in current if cells is None or row.tags.get("cell") in cells)
        return tuple(record(row) for row in wanted if row.role == role)

    def find(self, run: str) -> RunState:
        """The run with this run id or key prefix."""
        found = self._source.find(run) if lookup.is_prefix(run) else []
        exact = [row for row in found if row.run_id == run and row.is_trial]
        if exact:
            return state(exact[0])
        of_study: dict[str, list[Row]] = {}
        for row in oldest_first(row for row in found if row.is_current):
            of_study.setdefault(row.study, []).append(row)
        current = [row for rows in of_study.values() for row in lookup.current(rows)]
        return lookup.pick(run, [(row.study, state(row)) for row in current])

    def artifact(self, run_id: str, name: str) -> Path:
        """A local copy of an artifact of a run."""
        folder = files.local_folder(self._row(run_id).artifact_uri)
        if folder is not None:
            return files.local(folder, run_id, name)
        return files.download(self._connection, run_id, name, self._paths.cache / "artifacts")

    def curves(self, run_id: str, beginning: tuple[str, ...] = ("",)) -> Mapping[str, Curve]:
        """The points of every metric of a run whose name begins so."""
        self._row(run_id)
        return self._source.curves(run_id, beginning)

    def courses(self, study: str, metric: str) -> Mapping[str, Curve]:
        """One metric's points of every run of a study."""
        return self._source.courses(study, metric)

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        """Keep a further file of a run that may have ended."""
        self._row(run_id)
        client = self._connection.client
        self._connection.call(
            f"store {file.name}", lambda: client.log_artifact(run_id, str(file), folder or None)
        )

    def tag(self, run_id: str, values: Mapping[str, str]) -> None:
        """Set tags of a run that has ended."""
        self._row(run_id)
        for name, text in values.items():
            set_tag = partial(self._connection.client.set_tag, run_id, name, text)
            self._connection.call("tag a run", set_tag)

    def attach_to_study(self, study: str, files: Sequence[Path], folder: str = "") -> str:
        """Keep files of the study as a whole."""
        from ablab.tracking.mlflow.opening import open_study
        from ablab.tracking.mlflow.study_run import keep

        return keep(self._connection, open_study(self._connection, self._paths, study), study, files, folder)

    def close(self, run_id: str, status: Status, reason: str) -> None:
        """End a run whose process is gone; a run that has ended by itself stays as it is."""
        if status not in ("failed", "killed"):
            raise ValueError(f"a run is closed as failed or killed, not {status}")
        from ablab.tracking.mlflow.left_over import deliver_left

        for left in deliver_left(self._connection, self._paths, lambda head: head.run_id == run_id).left:
            raise StoreError(left.reason)
        call, client = self._connection.call, self._connection.client
        found = call(f"find run {run_id}", lambda: client.get_run(run_id))
        if found.info.status == "RUNNING":
            call("close a run", lambda: client.set_tag(run_id, "error", lookup.first_line(reason)))
            call("close a run", lambda: client.set_terminated(run_id, status.upper()))

    def deliver(self, patience_seconds: float | None = None) -> Delivery:
        """Bring in what processes that are gone have left in journals."""
        if not undelivered(self._paths):
            return Delivery()
        from ablab.tracking.mlflow.left_over import deliver_left

        return deliver_left(self._connection, self._paths, lambda head: True, patience_seconds)

    def touch(self) -> str | None:
        """Write the time into a tag of the study written to last; its name, or None where there is none."""
        from ablab.tracking.mlflow.opening import open_study

        for study in self.studies()[:1]:
            open_study(self._connection, self._paths, study)
            return study
        return None

    def summarise(self, study: str, cells: Sequence[CellSummary]) -> None:
        """Write the one summary run of each cell."""
        from ablab.tracking.mlflow import summaries
        from ablab.tracking.mlflow.opening import open_study

        summaries.write(self._connection, open_study(self._connection, self._paths, study), study, cells)

    def describe(self, study: str, text: str) -> None:
        """Set the text on top of the study's page."""
        from ablab.tracking.mlflow.opening import open_study

        if len(text) > _LONGEST_DESCRIPTION:
            text = f"{text[: _LONGEST_DESCRIPTION - 20].rpartition(chr(10))[0]}\n\n(cut)"
        experiment = open_study(self._connection, self._paths, study)
        self._connection.call(
            f"describe study {study}",
            lambda: self._connection.client.set_experiment_tag(experiment, "mlflow.note.content", text),
        )

    def keep_baseline(self, run: BaselineRun) -> str:
        """Record a baseline's result once per key."""
        from ablab.tracking.mlflow import linear_model

        return linear_model.keep(self._connection, self._paths, run)

    def _row(self, run_id: str) -> Row:
        found = [row for row in self._source.find(run_id) if row.run_id == run_id] if run_id else []
        if not found:
            raise lookup.no_run(run_id)
        return found[0]

    def _current(self, study: str, *, full: bool, cells: Collection[str] | None = None) -> list[Row]:
        found = self._source.rows(study, full=full, cells=cells)
        return lookup.current(oldest_first(row for row in found if row.is_current))

    @cached_property
    def _source(self) -> _Source:
        file = sqlite_file(self._uri)
        if file is not None:
            database = Database(file)
            if database.is_readable():
                return database
        from ablab.tracking.mlflow.remote import Remote

        return Remote(self._connection)

    @cached_property
    def _connection(self) -> Connection:
        from ablab.tracking.mlflow.connection import Connection

        return Connection.patient(self._uri, self._paths, self._patience)
