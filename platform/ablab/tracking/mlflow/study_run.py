"""The one run of a study that holds what belongs to the study as a whole: its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import oldest_first

ROLE = "study"


def keep(connection: Connection, experiment: str, study: str, files: Sequence[Path], folder: str) -> str:
    """Log files with the study's run, which is made where it is missing; returns its id.

    A file of the same name is replaced, so that keeping a report again leaves one report.
    """
    client = connection.client
    found = oldest_first(Remote(connection).search({experiment: study}, f"tags.role = '{ROLE}'"))

    def make() -> str:
        tags = {"study": study, "role": ROLE}
        run_id = str(client.create_run(experiment, tags=tags, run_name=f"{study} · report").info.run_id)
        client.set_terminated(run_id, "FINISHED")
        return run_id

    run_id = found[0].run_id if found else connection.call("open the study's run", make)
    for file in files:
        _log(connection, run_id, file, folder)
    return run_id


def _log(connection: Connection, run_id: str, file: Path, folder: str) -> None:
    connection.call(
        f"store {file.name}", lambda: connection.client.log_artifact(run_id, str(file), folder or None)
    )
