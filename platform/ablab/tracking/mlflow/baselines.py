"""Baselines in MLflow's model registry; see `ablab.tracking.baselines.BaselineRegistry`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from ablab.errors import InputError, NotFoundError
from ablab.paths import Paths
from ablab.tracking.baselines import ALIAS, FOLDER, MANIFEST, Version
from ablab.tracking.mlflow import files
from ablab.tracking.mlflow.address import shown
from ablab.tracking.mlflow.connection import Connection, Refused
from ablab.tracking.mlflow.opening import open_study
from ablab.tracking.mlflow.remote import every_page

_OURS = "ablab.baseline"
"""Tag of a registered model that holds baselines."""
_PAGE = 100


class MlflowBaselines:
    """Promoted baselines behind one address."""

    def __init__(self, uri: str, paths: Paths, *, patience_seconds: float | None = None) -> None:
        self._connection = Connection.patient(uri, paths, patience_seconds)
        self._paths = paths

    def register(self, name: str, study: str, manifest: str, tags: Mapping[str, str]) -> Version:
        """Keep a manifest as the new baseline of this name."""
        call, client = self._connection.call, self._connection.client
        self._make_model(name)
        experiment = open_study(self._connection, self._paths, study)
        own = {**tags, "role": "baseline", "study": study, "baseline": name}
        run = call(
            "open a promotion",
            lambda: client.create_run(experiment, tags=own, run_name=f"baseline {name}"),
        )
        run_id = str(run.info.run_id)
        with tempfile.TemporaryDirectory(prefix="ablab-") as folder:
            file = Path(folder) / MANIFEST
            file.write_text(manifest, encoding="utf-8")
            call("store the manifest", lambda: client.log_artifact(run_id, str(file), FOLDER))
        call("close a promotion", lambda: client.set_terminated(run_id, "FINISHED"))
        # A server accepts only what lies in the artifacts of the run that is named with it.
        source = f"{run.info.artifact_uri.rstrip('/')}/{FOLDER}/{MANIFEST}"

        def make() -> ModelVersion:
            made = [each for each in self._found(name) if each.run_id == run_id]
            return made[0] if made else client.create_model_version(name, source, run_id, tags=dict(tags))

        version = call("register a version", make)
        call("set the alias", lambda: client.set_registered_model_alias(name, ALIAS, str(version.version)))
        return _version(version, str(version.version))

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions, oldest first."""
        model = self._model(name)
        if model is None or _OURS not in model.tags:
            raise self._no_baseline(name)
        current = str(model.aliases.get(ALIAS, ""))
        found = sorted(self._found(name), key=lambda each: int(each.version))
        return tuple(_version(each, current) for each in found)

    def manifest(self, version: Version) -> str:
        """The manifest of a version."""
        name = f"{FOLDER}/{MANIFEST}"
        run = self._connection.call(
            f"find run {version.run_id}", lambda: self._connection.client.get_run(version.run_id)
        )
        folder = files.local_folder(run.info.artifact_uri)
        if folder is not None:
            return files.local(folder, version.run_id, name).read_text(encoding="utf-8")
        copy = files.download(self._connection, version.run_id, name, self._paths.cache / "artifacts")
        return copy.read_text(encoding="utf-8")

    def _make_model(self, name: str) -> None:
        client = self._connection.client
        try:
            self._connection.call(
                f"register {name}", lambda: client.create_registered_model(name, tags={_OURS: "true"})
            )
        except Refused as refusal:
            if refusal.code != "RESOURCE_ALREADY_EXISTS":
                raise
            model = self._model(name)
            if model is None or _OURS not in model.tags:
                raise InputError(
                    f"--name: {shown(self._connection.uri)} has a registered model {name!r} that is no "
                    "baseline of ablab; choose another name"
                ) from refusal

    def _model(self, name: str) -> RegisteredModel | None:
        client = self._connection.client
        try:
            return self._connection.call(f"find baseline {name}", lambda: client.get_registered_model(name))
        except Refused as refusal:
            if refusal.code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _found(self, name: str) -> list[ModelVersion]:
        client = self._connection.client
        return every_page(
            lambda token: self._connection.call(
                f"list the versions of {name}",
                lambda: client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token),
            )
        )

    def _no_baseline(self, name: str) -> NotFoundError:
        client = self._connection.client
        models = every_page(
            lambda token: self._connection.call(
                "list the baselines",
                lambda: client.search_registered_models(max_results=_PAGE, page_token=token),
            )
        )
        known = [model.name for model in models if _OURS in model.tags]
        near = get_close_matches(name, known, n=1)
        hint = (
            f" (did you mean '{near[0]}'?)" if near else f"; there are: {', '.join(known)}" if known else ""
        )
        return NotFoundError(
            f"{name}: no such baseline in {shown(self._connection.uri)}{hint}; "
            f"make it: ablab regression promote STUDY --name {name}"
        )


def _version(found: ModelVersion, current: str) -> Version:
    return Version(
        found.name,
        int(found.version),
        found.run_id or "",
        found.source or "",
        str(found.version) == current,
        dict(found.tags),
    )
