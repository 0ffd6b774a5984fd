"""Opens runs: finds or makes the study, continues the run of a key or begins a new one."""

from __future__ import annotations

import contextlib

from mlflow.entities import RunTag

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.spec.identity import flatten
from ablab.spec.record import Role
from ablab.spec.trial import Trial
from ablab.spec.writing import resolved_yaml
from ablab.tracking import provenance
from ablab.tracking.journal import Head, Journal, folder
from ablab.tracking.mlflow.address import is_server, lasting, shown, sqlite_file
from ablab.tracking.mlflow.connection import Connection, Refused
from ablab.tracking.mlflow.database import Database
from ablab.tracking.mlflow.left_over import deliver_left
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import (
    STUDY_TAG,
    SUPERSEDED,
    TOUCHED_TAG,
    Row,
    now_text,
    oldest_first,
    opening_tags,
    status,
)
from ablab.tracking.mlflow.writer import MlflowWriter
from ablab.tracking.store import FinishedAfterAllError
from ablab.tracking.tags import level_text


def open_study(connection: Connection, paths: Paths, study: str, *, is_study: bool = True) -> str:
    """MLflow's id of the study's experiment, which is made where it is missing.

    Where it is no study, nothing marks it as one: it is found by its name alone.
    """
    client = connection.client
    # A server decides itself where artifacts go; for a database it has to be said.
    location = None if is_server(connection.uri) else (paths.artifacts.absolute() / study).as_uri()

    def find() -> str | None:
        found = connection.call(f"find study {study}", lambda: client.get_experiment_by_name(study))
        if found is None:
            return None
        if found.lifecycle_stage != "active":
            raise StoreError(
                f"{shown(connection.uri)}: study {study} was deleted in MLflow; record under another name "
                f"(--study), or bring it back with `mlflow experiments restore -x {found.experiment_id}`"
            )
        if is_study and STUDY_TAG not in found.tags:
            tag_study(found.experiment_id, STUDY_TAG, study)
        return str(found.experiment_id)

    def tag_study(experiment: str, name: str, value: str) -> None:
        connection.call(f"write study {study}", lambda: client.set_experiment_tag(experiment, name, value))

    experiment = find()
    if experiment is None:
        try:
            experiment = connection.call(
                f"make study {study}",
                lambda: client.create_experiment(
                    study, artifact_location=location, tags={STUDY_TAG: study} if is_study else {}
                ),
            )
        except Refused as refusal:
            # Another process was faster.
            experiment = find() if refusal.code == "RESOURCE_ALREADY_EXISTS" else None
            if experiment is None:
                raise
    if is_study:
        tag_study(experiment, TOUCHED_TAG, now_text())
    return experiment


def open_run(connection: Connection, paths: Paths, trial: Trial, role: Role) -> MlflowWriter:
    """Continue the run of this key and role, or begin a new one and mark what it replaces.

    Waits for a store that is away as long as the connection has patience: a run gets its id from the store.
    What an earlier attempt left in the run's journal arrives before anything else is written. Raises
    FinishedAfterAllError where that finishes it.
    """
    delivery = deliver_left(connection, paths, lambda head: head.key == trial.key)
    for left in delivery.left:
        raise StoreError(f"what an earlier attempt left in {left.folder} has to arrive first: {left.reason}")
    client = connection.client
    experiment = open_study(connection, paths, trial.study)

    def earlier() -> list[Row]:
        found = oldest_first(_rows_of_key(connection, trial))
        return [row for row in found if row.role == role]

    tried = False

    def begin() -> str:
        nonlocal tried
        # Tried again after an answer that was lost, this finds the run that it made.
        made = [found for found in earlier() if status(found) == "running"] if tried else []
        if made:
            return made[-1].run_id
        tried = True
        tags = opening_tags(trial, role, attempt=1) | mlflow_tags()
        return str(client.create_run(experiment, tags=tags, run_name=trial.name).info.run_id)

    before = earlier()
    last = before[-1] if before else None

    if last is not None and last.run_id in delivery.delivered and status(last) == "finished":
        code = provenance.run_fingerprint(trial.cell.experiment)
        if last.tags.get("code_fingerprint") == code:
            raise FinishedAfterAllError(last.run_id)
    if last is None or status(last) == "finished":
        run_id = connection.call("open a run", begin)
        writer = MlflowWriter(
            connection, run_id, _journal_of(connection, paths, trial, run_id), is_continued=False
        )
        writer.params({name: level_text(level) for name, level in flatten(trial.cell.experiment).items()})
    else:
        attempt = int(last.tags.get("attempt", 1)) + 1
        tags = opening_tags(trial, role, attempt) | mlflow_tags() | {"error": ""}
        journal = _journal_of(connection, paths, trial, last.run_id)
        writer = MlflowWriter(connection, last.run_id, journal, is_continued=True)
        writer.tag(tags)
        writer.flush()
        connection.call("continue a run", lambda: client.update_run(writer.run_id, status="RUNNING"))
    for old in before:
        if old.run_id != writer.run_id:
            _supersede(connection, old, writer.run_id)
    writer.text("spec.yaml", resolved_yaml(trial.cell.experiment))
    difference = provenance.uncommitted()
    if difference:
        writer.text("uncommitted.diff", difference)
    return writer


def _rows_of_key(connection: Connection, trial: Trial) -> list[Row]:
    """From a SQLite file without MLflow's parser of searches, which costs as much as a trial's points."""
    file = sqlite_file(connection.uri)
    if file is not None:
        with contextlib.suppress(StoreError):  # locked for long, or unknown: the connection has more patience
            database = Database(file)
            if database.is_readable():
                return database.of_key(trial.study, trial.key)
    return Remote(connection).of_key(trial.study, trial.key)


def _journal_of(connection: Connection, paths: Paths, trial: Trial, run_id: str) -> Journal:
    return open_journal(
        connection, paths, run_id, study=trial.study, cell=trial.cell.id, seed=trial.seed, key=trial.key
    )


def open_journal(
    connection: Connection, paths: Paths, run_id: str, *, study: str, cell: str, seed: int, key: str
) -> Journal:
    """The journal of a run, made where it is not there."""
    store = lasting(connection.uri, paths.mlflow_db)
    head = Head(run_id=run_id, study=study, cell=cell, seed=seed, key=key, store=store)
    return Journal(folder(run_id, paths), head)


def _supersede(connection: Connection, old: Row, by: str) -> None:
    tags = [RunTag("role", SUPERSEDED), RunTag("superseded_by", by)]
    connection.call("mark a run superseded", lambda: connection.client.log_batch(old.run_id, tags=tags))


def mlflow_tags() -> dict[str, str]:
    """What MLflow's run page shows as source."""
    commit = provenance.environment().get("git_commit")
    tags = {"mlflow.source.name": "ablab", "mlflow.source.type": "LOCAL"}
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})
