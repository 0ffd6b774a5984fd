"""A bundle that was tampered with changes nothing, whatever it holds."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablab.errors import InputError
from ablab.tracking.bundle import StoredRun, opened_bundle, write_bundle

RUN = StoredRun(
    run_id="0" * 32,
    name="gated · s1",
    status="FINISHED",
    start=1,
    end=2,
    tags={"key": "a" * 32, "role": "seed", "study": "s"},
    params={"training.epochs": "1"},
    points=(("train/loss", 0.1 + 0.2, 1, 1), ("train/loss", 1e-300, 2, 2)),
)
GIGABYTE = 10**9


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "train.log").write_text("epoch 1\n")
    (folder / "best.pt").write_bytes(bytes(range(256)) * 100)
    write_bundle(
        tmp_path / "b.zip", "s", [(RUN, folder)], version="1", created="now", description="d", declared="{}"
    )
    return tmp_path / "b.zip"


def test_what_goes_in_comes_out(bundle: Path, tmp_path: Path) -> None:
    with opened_bundle(bundle, tmp_path / "cache", most_bytes=GIGABYTE) as opened:
        assert list(opened.runs()) == [RUN]
        files = opened.artifacts(RUN.run_id)
        assert (files / "deep" / "train.log").read_text() == "epoch 1\n"
        assert (files / "best.pt").read_bytes() == bytes(range(256)) * 100
        assert (opened.declared, opened.manifest.description) == ("{}", "d")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_existing_file_is_not_written_over(bundle: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(InputError, match="is there already; name another file with --out"):
        write_bundle(bundle, "s", [], version="1", created="now")
    assert bundle.read_bytes() == before


def test_a_failure_half_way_leaves_no_file(tmp_path: Path) -> None:
    def runs():
        yield RUN, None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "b.zip", "s", runs(), version="1", created="now")
    assert list(tmp_path.iterdir()) == []


Change = Callable[[dict[str, bytes], dict[str, Any]], None]


def _listed(manifest: dict[str, Any], name: str, data: bytes) -> None:
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _with(name: str, data: bytes = b"x") -> Change:
    def change(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        files[name] = data
        _listed(manifest, name, data)

    return change


def _unlisted(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    files[f"artifacts/{RUN.run_id}/extra"] = b"x"


def _missing(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del files[f"artifacts/{RUN.run_id}/best.pt"]


def _changed(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    files[f"artifacts/{RUN.run_id}/best.pt"] = b"y" * 25600


def _bomb(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    files[f"artifacts/{RUN.run_id}/best.pt"] = b"\0" * 50_000_000


def _honest_bomb(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["files"][f"artifacts/{RUN.run_id}/best.pt"]["size"] = 10**15


def _other_study(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["study"] = "../../elsewhere"


def _other_run(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    name = f"runs/{RUN.run_id}.json"
    files[name] = files[name].replace(b"0" * 32, b"1" * 32)
    _listed(manifest, name, files[name])


def _odd_run(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    name = f"runs/{RUN.run_id}.json"
    files[name] = files[name].replace(b'"FINISHED"', b'"RUNNING"')
    _listed(manifest, name, files[name])


def _newer(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["format"] = 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_with("../outside"), "is no plain file of a run"),
        (_with(f"artifacts/{RUN.run_id}/../../../outside"), "is no plain file of a run"),
        (_with("/etc/outside"), "is no plain file of a run"),
        (_with(f"artifacts/{RUN.run_id}/..\\outside"), "is no plain file of a run"),
        (_with(f"artifacts/{RUN.run_id}/C:outside"), "is no plain file of a run"),
        (_with("artifacts/outside/x"), "is no plain file of a run"),
        (_with("platform/__init__.py"), "is no plain file of a run"),
        (_unlisted, "is listed and not there, or there and not listed"),
        (_missing, "is listed and not there, or there and not listed"),
        (_changed, "best.pt does not match its checksum; copy the file again"),
        (_bomb, "best.pt is larger than the 25600 bytes that are listed"),
        (_honest_bomb, "GB, and 1.0 are allowed; if you trust it: --max-gigabytes"),
        (_other_study, "study: Value error, must be a plain name"),
        (_other_run, f"runs/{'0' * 32}.json is run {'1' * 32}"),
        (_odd_run, "status: Input should be 'FINISHED', 'FAILED' or 'KILLED'"),
        (_newer, "format: Input should be 1"),
    ],
)
def test_a_hostile_bundle_is_refused(bundle: Path, tmp_path: Path, change: Change, reason: str) -> None:
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("bundle.json"))
    change(files, manifest)
    hostile = tmp_path / "hostile" / "h.zip"
    hostile.parent.mkdir()
    with zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("bundle.json", json.dumps(manifest))
    before = sorted(path for path in tmp_path.rglob("*"))
    with (
        pytest.raises(InputError) as caught,
        opened_bundle(hostile, tmp_path / "cache", most_bytes=GIGABYTE),
    ):
        raise AssertionError("it was opened")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("nothing was imported")
    left = sorted(path for path in tmp_path.rglob("*") if path != tmp_path / "cache")
    assert left == before


def test_a_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read("bundle.json"))
        files = {name: archive.read(name) for name in archive.namelist() if name != "bundle.json"}
    name = f"artifacts/{RUN.run_id}/link"
    _listed(manifest, name, b"/etc/passwd")
    with zipfile.ZipFile(tmp_path / "h.zip", "w") as archive:
        for other, data in files.items():
            archive.writestr(other, data)
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, b"/etc/passwd")
        archive.writestr("bundle.json", json.dumps(manifest))
    with (
        pytest.raises(InputError, match="is no plain file of a run"),
        opened_bundle(tmp_path / "h.zip", tmp_path / "cache", most_bytes=GIGABYTE),
    ):
        raise AssertionError("it was opened")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04broken", b"name: x\n"])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(data)
    with (
        pytest.raises(InputError, match="is no whole zip file"),
        opened_bundle(tmp_path / "b.zip", tmp_path / "cache", most_bytes=GIGABYTE),
    ):
        raise AssertionError("it was opened")


def test_a_half_copied_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(bundle.read_bytes()[:-200])
    with (
        pytest.raises(InputError, match="is no whole zip file"),
        opened_bundle(tmp_path / "half.zip", tmp_path / "cache", most_bytes=GIGABYTE),
    ):
        raise AssertionError("it was opened")
