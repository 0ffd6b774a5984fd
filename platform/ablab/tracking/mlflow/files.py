"""Hands out local copies of artifacts: the file itself where it lies on this machine, else a download.

Imports no MLflow; a download does so through the connection it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ablab.errors import NotFoundError

if TYPE_CHECKING:
    from ablab.tracking.mlflow.connection import Connection


def local_folder(artifact_uri: str) -> Path | None:
    """The folder of a run's artifacts where it is on this machine, else None."""
    parts = urlsplit(artifact_uri)
    if parts.scheme != "file":
        return None
    folder = Path(url2pathname(parts.path))
    return folder if folder.parent.parent.is_dir() else None


def local(folder: Path, run_id: str, name: str) -> Path:
    """The artifact in a local folder."""
    file = folder / checked(run_id, name)
    if not file.exists():
        there = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        raise no_artifact(run_id, name, there)
    return file


def download(connection: Connection, run_id: str, name: str, into: Path) -> Path:
    """A copy of the artifact under ``into``."""
    client = connection.client
    path = checked(run_id, name)
    parent = path.parent.as_posix()
    listed = connection.call(
        f"list the artifacts of run {run_id}",
        lambda: client.list_artifacts(run_id, None if parent == "." else parent),
    )
    if path.as_posix() not in {item.path for item in listed}:
        raise no_artifact(run_id, name, (item.path for item in listed))
    folder = into / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return Path(
        connection.call(
            f"fetch {name}", lambda: client.download_artifacts(run_id, path.as_posix(), str(folder))
        )
    )


def checked(run_id: str, name: str) -> PurePosixPath:
    """``name`` as a path inside the run's artifacts."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise no_artifact(run_id, name, ())
    return path


def no_artifact(run_id: str, name: str, there: Iterable[str]) -> NotFoundError:
    """The error for an artifact that is not there, with what is."""
    listed = ", ".join(sorted(there)) or "none"
    return NotFoundError(f"run {run_id} has no artifact '{name}'; there are: {listed}")
