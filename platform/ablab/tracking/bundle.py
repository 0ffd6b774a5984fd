"""A study as one file that moves between machines: a zip with every run, its files, and checksums.

Reading a bundle trusts nothing in it: names that leave the folder, links, files that are not listed, sizes
that are not true and contents that do not match their checksum are refused before anything is recorded.

    bundle.json                 Manifest: study, versions, every other file with size and SHA-256
    runs/<run id>.json          StoredRun: tags, parameters, every metric point
    artifacts/<run id>/...      the run's files
    declared.json               what the study declared, where it was declared on the exporting machine
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ablab.errors import InputError
from ablab.spec.values import AsTuple, Name, SpecModel

MANIFEST, DECLARED = "bundle.json", "declared.json"
_LARGEST_JSON = 256 * 2**20
"""Bytes: a run of a million metric points is 60 MB."""
_MOST_FILES = 1_000_000
_PIECE = 2**20
_SPARE_BYTES = 256 * 2**20
"""Free space that is left on the disk."""

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Point = tuple[str, float, int, int]
"""Metric, value, milliseconds since 1970, step."""


class StoredRun(SpecModel):
    """One run as the store holds it."""

    run_id: RunId
    name: str
    status: Literal["FINISHED", "FAILED", "KILLED"]
    start: int
    """Milliseconds since 1970."""
    end: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Annotated[tuple[Annotated[Point, AsTuple], ...], AsTuple]


class _Listed(SpecModel):
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(SpecModel):
    """What a bundle says of itself."""

    format: Literal[1]
    study: Name
    ablab_version: str
    created: str
    """ISO 8601, UTC."""
    description: str | None = None
    """The text on top of the study's page."""
    runs: Annotated[tuple[RunId, ...], AsTuple]
    files: Mapping[str, _Listed]


class Bundle:
    """A bundle whose contents have been checked and lie in a folder."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self.manifest = manifest
        self._folder = folder

    @property
    def declared(self) -> str | None:
        """The declared analysis, as JSON text."""
        file = self._folder / DECLARED
        return file.read_text(encoding="utf-8") if file.exists() else None

    def runs(self) -> Iterator[StoredRun]:
        """Every run, in the order of the manifest."""
        for run_id in self.manifest.runs:
            text = (self._folder / "runs" / f"{run_id}.json").read_text(encoding="utf-8")
            yield StoredRun.model_validate_json(text)

    def artifacts(self, run_id: str) -> Path:
        """Folder with the run's files, as they were below its artifacts; it may be missing."""
        return self._folder / "artifacts" / run_id


def write_bundle(
    target: Path,
    study: str,
    runs: Iterable[tuple[StoredRun, Path | None]],
    *,
    version: str,
    created: str,
    description: str | None = None,
    declared: str | None = None,
) -> Manifest:
    """Write a bundle of runs and the folders of their files; ``target`` is there whole, or not at all.

    Raises InputError where ``target`` is there already or cannot be written.
    """
    if target.exists():
        raise InputError(f"{target}: is there already; name another file with --out")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    files: dict[str, _Listed] = {}
    ids: list[str] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for run, folder in runs:
                ids.append(run.run_id)
                files |= _added(archive, f"runs/{run.run_id}.json", run.model_dump_json().encode())
                for file in sorted(folder.rglob("*")) if folder is not None else ():
                    if file.is_file() and not file.is_symlink():
                        name = f"artifacts/{run.run_id}/{file.relative_to(folder or file).as_posix()}"
                        files |= _copied(archive, name, file)
            if declared is not None:
                files |= _added(archive, DECLARED, declared.encode())
            manifest = Manifest(
                format=1,
                study=study,
                ablab_version=version,
                created=created,
                description=description,
                runs=tuple(ids),
                files=files,
            )
            archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
        draft.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return manifest


@contextmanager
def opened_bundle(file: Path, folder: Path, *, most_bytes: int) -> Iterator[Bundle]:
    """A checked bundle, unpacked into a new folder below ``folder`` that goes with the ``with`` block.

    most_bytes: how large it may be unpacked. Raises InputError for anything that is wrong with it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(file) as archive,
            tempfile.TemporaryDirectory(prefix="bundle-", dir=folder) as place,
        ):
            manifest = _manifest(file, archive, most_bytes, Path(place))
            for name, listed in manifest.files.items():
                _unpack(file, archive, name, listed, Path(place))
            bundle = Bundle(manifest, Path(place))
            for run_id, run in zip(manifest.runs, bundle.runs(), strict=True):
                if run.run_id != run_id:
                    raise _refused(file, f"runs/{run_id}.json is run {run.run_id}")
            yield bundle
    except ValidationError as error:
        first = error.errors()[0]
        place_ = ".".join(str(part) for part in first["loc"])
        raise _refused(file, f"{place_}: {first['msg']}") from error
    except zipfile.BadZipFile as error:
        raise _refused(file, f"it is no whole zip file ({error})") from error
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or file}: no such file") from error
    except (OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise _refused(file, str(error)) from error


def _manifest(file: Path, archive: zipfile.ZipFile, most_bytes: int, place: Path) -> Manifest:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()):
        raise _refused(file, "it holds a name twice")
    if MANIFEST not in entries:
        raise _refused(file, f"it has no {MANIFEST}; is it a file of `ablab store export`?")
    text = _read(archive, entries[MANIFEST], _LARGEST_JSON)
    if text is None:
        raise _refused(file, f"{MANIFEST} is not of the size that it claims")
    manifest = Manifest.model_validate_json(text)
    names = {MANIFEST, *manifest.files}
    if set(entries) != names:
        odd = sorted(set(entries) ^ names)[0]
        raise _refused(file, f"{odd!r} is listed and not there, or there and not listed")
    runs = {f"runs/{run_id}.json" for run_id in manifest.runs}
    if len(entries) > _MOST_FILES or {name for name in manifest.files if name.startswith("runs/")} != runs:
        raise _refused(file, "its runs and its files do not belong together")
    for name in manifest.files:
        _check_name(file, name, entries[name], manifest.runs)
    total = sum(listed.size for listed in manifest.files.values())
    if total > most_bytes:
        raise _refused(
            file,
            f"unpacked it takes {total / 1e9:.1f} GB, and {most_bytes / 1e9:.1f} are allowed; "
            "if you trust it: --max-gigabytes",
        )
    free = shutil.disk_usage(place).free - _SPARE_BYTES
    if total > free:
        raise _refused(file, f"unpacked it takes {total / 1e9:.1f} GB, and {max(free, 0) / 1e9:.1f} are free")
    return manifest


def _check_name(file: Path, name: str, entry: zipfile.ZipInfo, runs: tuple[str, ...]) -> None:
    path = PurePosixPath(name)
    plain = (
        name == path.as_posix()
        and not path.is_absolute()
        and ".." not in path.parts
        and not any(character in name for character in '\\\0:<>"|?*')
        and name.isprintable()
    )
    belongs = name == DECLARED or (
        len(path.parts) == 2
        if path.parts[0] == "runs"
        else path.parts[0] == "artifacts" and len(path.parts) > 2 and path.parts[1] in runs
    )
    mode = entry.external_attr >> 16
    if not plain or not belongs or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise _refused(file, f"{name!r} is no plain file of a run")


def _unpack(file: Path, archive: zipfile.ZipFile, name: str, listed: _Listed, place: Path) -> None:
    """Write one file; never more bytes than it is listed with."""
    target = place / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), listed.size
    if target.suffix == ".json" and target.parent.name == "runs" and listed.size > _LARGEST_JSON:
        raise _refused(file, f"{name} is larger than any run")
    with archive.open(name) as source, target.open("xb") as sink:
        while piece := source.read(min(_PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                raise _refused(file, f"{name} is larger than the {listed.size} bytes that are listed")
            digest.update(piece)
            sink.write(piece)
    if left or digest.hexdigest() != listed.sha256:
        raise _refused(file, f"{name} does not match its checksum; copy the file again")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes | None:
    with archive.open(entry) as source:
        text = source.read(most + 1)
    return text if len(text) <= most else None


def _added(archive: zipfile.ZipFile, name: str, data: bytes) -> dict[str, _Listed]:
    archive.writestr(name, data)
    return {name: _Listed(size=len(data), sha256=hashlib.sha256(data).hexdigest())}


def _copied(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, _Listed]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source, archive.open(name, "w", force_zip64=True) as sink:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            sink.write(piece)
    return {name: _Listed(size=size, sha256=digest.hexdigest())}


def _refused(file: Path, reason: str) -> InputError:
    return InputError(f"{file}: {reason}; nothing was imported")
