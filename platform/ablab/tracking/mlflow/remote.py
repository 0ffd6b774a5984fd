"""Reads and finds runs through MLflow's client: for servers, and for databases other than SQLite.

Gives the same rows as ``ablab.tracking.mlflow.database``.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from mlflow.entities import Experiment, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.store.entities import PagedList

from ablab.tracking.mlflow.connection import Connection, Refused
from ablab.tracking.mlflow.rows import STUDY_TAG, TOUCHED_TAG, Row
from ablab.tracking.store import Curve

_PAGE = 1000
"""Runs per request: a page with specs and per-subject tables is about 20 MB of JSON."""


class Remote:
    """The runs behind one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = connection.client

    def studies(self) -> dict[str, str]:
        """Name of every study -> when a run of it was last opened."""
        return {found.name: found.tags.get(TOUCHED_TAG, "") for found in self._studies()}

    def names(self) -> dict[str, str]:
        """MLflow's id of every study -> its name."""
        return {found.experiment_id: found.name for found in self._studies()}

    def rows(self, study: str, *, full: bool, cells: Collection[str] | None = None) -> list[Row]:
        """Runs of a study; a search returns all tags and last metrics whether ``full`` or not.

        cells: not looked at, as MLflow's filters know no "or"; the caller picks.
        """
        experiment = self.experiment(study)
        return [] if experiment is None else self.search({experiment.experiment_id: study})

    def study_tag(self, study: str, tag: str) -> str | None:
        """A tag of the study's experiment."""
        experiment = self.experiment(study)
        return None if experiment is None else experiment.tags.get(tag)

    def of_key(self, study: str, key: str) -> list[Row]:
        """Runs of one key in a study, with all their tags."""
        experiment = self.experiment(study)
        if experiment is None:
            return []
        return self.search({experiment.experiment_id: study}, f"tags.key = '{key}'")

    def find(self, run: str) -> list[Row]:
        """Runs with this run id, or whose key begins with ``run`` (hex digits)."""
        studies = self.names()
        found = self.search(studies, f"tags.key LIKE '{run}%'") if studies else []
        try:
            exact = self._connection.call(f"find run {run}", lambda: self._client.get_run(run))
        except Refused as refusal:
            if refusal.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return found
            raise
        if exact.info.lifecycle_stage == "active" and exact.info.experiment_id in studies:
            found.append(row(exact, studies[exact.info.experiment_id]))
        return found

    def curves(self, run_id: str, beginning: tuple[str, ...]) -> dict[str, Curve]:
        """The points of every metric of a run whose name begins so; one request per metric."""
        call, client = self._connection.call, self._client
        names = call(f"find run {run_id}", lambda: client.get_run(run_id)).data.metrics
        return {name: self._history(run_id, name) for name in names if name.startswith(beginning)}

    def _history(self, run_id: str, metric: str) -> Curve:
        read = partial(self._client.get_metric_history, run_id, metric)
        history = self._connection.call("read a curve", read)
        points = {
            each.step: each.value
            for each in sorted(history, key=lambda each: (each.step, -each.timestamp))
            if each.value == each.value
        }
        return tuple(points.items())

    def courses(self, study: str, metric: str) -> dict[str, Curve]:
        """One metric's points of every run of a study; one request per run that has it."""
        rows = [row for row in self.rows(study, full=True) if metric in row.metrics]
        return {row.run_id: self._history(row.run_id, metric) for row in rows}

    def search(self, studies: dict[str, str], condition: str = "") -> list[Row]:
        """Runs of experiments (id -> name) that meet a condition, oldest first."""

        def page(token: str | None) -> PagedList[MlflowRun]:
            return self._connection.call(
                "read runs",
                lambda: self._client.search_runs(
                    list(studies),
                    filter_string=condition,
                    run_view_type=ViewType.ACTIVE_ONLY,
                    max_results=_PAGE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                ),
            )

        return [row(run, studies[run.info.experiment_id]) for run in every_page(page)]

    def experiment(self, study: str) -> Experiment | None:
        """MLflow's experiment of a study; None where there is none, or only a deleted one."""
        found: Experiment | None = self._connection.call(
            f"find study {study}", lambda: self._client.get_experiment_by_name(study)
        )
        return found if found is not None and found.lifecycle_stage == "active" else None

    def _studies(self) -> list[Experiment]:
        def page(token: str | None) -> PagedList[Experiment]:
            return self._connection.call(
                "list the studies",
                lambda: self._client.search_experiments(
                    view_type=ViewType.ACTIVE_ONLY, max_results=_PAGE, page_token=token
                ),
            )

        return [found for found in every_page(page) if STUDY_TAG in found.tags]


def row(run: MlflowRun, study: str) -> Row:
    """MLflow's run as a row."""
    info = run.info
    return Row(
        info.run_id,
        study,
        info.status,
        info.start_time,
        info.end_time,
        info.artifact_uri or "",
        dict(run.data.tags),
        {name: value for name, value in run.data.metrics.items() if value == value},
    )


def every_page(page: Any) -> list[Any]:
    """All that a paged listing holds; ``page`` takes the token of a page, None for the first."""
    found: list[Any] = []
    token = None
    while True:
        part = page(token)
        found.extend(part)
        token = part.token
        if not token:
            return found
