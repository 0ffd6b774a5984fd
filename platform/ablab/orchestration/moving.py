"""A study out of this machine's store and into another's: what `ablab store export` and `import` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ablab.errors import InputError
from ablab.orchestration.declared import analysis_of, studies_folder, write_atomically
from ablab.paths import Paths
from ablab.tracking import lookup
from ablab.tracking.bundle import StoredRun, opened_bundle, write_bundle
from ablab.tracking.store import RunStore

if TYPE_CHECKING:
    from ablab.tracking.mlflow.rows import Row
    from ablab.tracking.mlflow.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a bundle."""

    study: str
    file: Path
    runs: int
    left_out: tuple[str, ...]
    """Runs that have not ended, by name."""

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "study": self.study,
            "file": str(self.file),
            "runs": self.runs,
            "bytes": self.file.stat().st_size,
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of a bundle."""

    study: str
    imported: int
    here_already: int
    kept_own: tuple[str, ...]
    """Runs whose key this store has a run of its own for, by name: that one stays."""
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "study": self.study,
            "imported": self.imported,
            "here_already": self.here_already,
            "kept_own": list(self.kept_own),
            "notes": list(self.notes),
        }


def export_study(study: str, out: Path, *, store: RunStore, transfer: Transfer, paths: Paths) -> Exported:
    """Write every run of a study that has ended, with its files and what was declared, into one file.

    Raises NotFoundError for an unknown study, InputError where ``out`` cannot be written, StoreError.
    """
    from ablab.tracking.mlflow.rows import now_text, status

    rows = transfer.rows(study)
    if not rows and study not in store.studies():
        raise lookup.no_study(study, store.studies(), store.address)
    ended = [row for row in rows if status(row) != "running"]
    if not ended:
        raise InputError(f"study '{study}' has no run that has ended; there is nothing to export")
    declared = studies_folder(paths) / f"{study}.json"
    manifest = write_bundle(
        out,
        study,
        _with_files(transfer, ended),
        version=version("ablab"),
        created=now_text(),
        description=transfer.description(study),
        declared=declared.read_text(encoding="utf-8") if declared.is_file() else None,
    )
    running = tuple(row.tags.get("mlflow.runName", row.run_id) for row in rows if row not in ended)
    return Exported(study, out, len(manifest.runs), running)


def import_bundle(file: Path, *, transfer: Transfer, paths: Paths, most_bytes: int) -> Imported:
    """Record what a bundle holds; what is here already stays as it is, so that it can be repeated.

    Raises InputError for a bundle that is damaged or hostile, before anything is recorded; StoreError.
    """
    with opened_bundle(file, paths.cache, most_bytes=most_bytes) as bundle:
        study = bundle.manifest.study
        for run in bundle.runs():
            transfer.check(study, run)
        counts = {"imported": 0, "here already": 0}
        kept_own = []
        for run in bundle.runs():
            taken = transfer.write(study, run, bundle.artifacts(run.run_id))
            if taken == "another run of this key":
                kept_own.append(run.name or run.run_id)
            else:
                counts[taken] += 1
        if bundle.manifest.description:
            transfer.describe(study, bundle.manifest.description)
        notes = _declare(study, bundle.declared, paths)
    return Imported(study, counts["imported"], counts["here already"], tuple(kept_own), notes)


def _with_files(transfer: Transfer, rows: list[Row]) -> Iterator[tuple[StoredRun, Path | None]]:
    for row in rows:
        with ExitStack() as stack:
            yield transfer.read(row), stack.enter_context(transfer.artifacts(row))


def _declare(study: str, text: str | None, paths: Paths) -> tuple[str, ...]:
    """Keep what the study declared elsewhere, unless it was declared here."""
    file = studies_folder(paths) / f"{study}.json"
    if text is None:
        return ("the bundle holds no declared analysis: compare uses what is declared here, or defaults",)
    if file.is_file():
        same = file.read_text(encoding="utf-8") == text
        return () if same else (f"{file}: another analysis is declared here; it stays",)
    write_atomically(file, text)
    try:
        analysis_of(study, paths)
    except InputError:
        file.unlink()
        return ("what the bundle declares does not read as a grid; it was left out",)
    return ()
