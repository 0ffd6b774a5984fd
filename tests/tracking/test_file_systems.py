"""Mount tables made up, and what commands say to SQLite on a network file system."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ablab.cli.main import cli
from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking import file_systems
from ablab.tracking.file_systems import mount_of
from ablab.tracking.open import open_store


def _table(folder: Path, *lines: str) -> Path:
    file = folder / "mounts"
    file.write_text("".join(f"{line} rw 0 0\n" for line in lines))
    return file


@pytest.mark.parametrize(
    ("kind", "is_network"),
    [
        ("ext4", False), ("xfs", False), ("overlay", False), ("tmpfs", False), ("fuseblk", False),
        ("nfs", True), ("nfs4", True), ("cifs", True), ("lustre", True), ("gpfs", True), ("beegfs", True),
        ("ceph", True), ("fuse.sshfs", True), ("fuse.glusterfs", True),
    ],
)  # fmt: skip
def test_kinds(tmp_path: Path, kind: str, is_network: bool) -> None:
    mount = mount_of(Path("/data/lab/mlruns"), _table(tmp_path, "/dev/sda / ext4", f"x /data {kind}"))
    assert mount is not None
    assert (mount.point, mount.kind, mount.is_network) == (Path("/data"), kind, is_network)


def test_the_deepest_and_last_mount_counts(tmp_path: Path) -> None:
    table = _table(
        tmp_path,
        "/dev/sda / ext4",
        "server:/home /home nfs4",
        "/dev/sdb /home/me/fast\\040disk xfs",
        "tmpfs /tmp tmpfs",
        "server:/tmp /tmp nfs",
    )
    kinds = {
        path: mount.kind
        for path in ("/srv", "/home/me", "/homes", "/home/me/fast disk/mlruns", "/tmp/x")
        if (mount := mount_of(Path(path), table)) is not None
    }
    assert kinds == {
        "/srv": "ext4",
        "/home/me": "nfs4",
        "/homes": "ext4",
        "/home/me/fast disk/mlruns": "xfs",
        "/tmp/x": "nfs",
    }


def test_without_a_mount_table_nothing_is_known(tmp_path: Path) -> None:
    assert mount_of(tmp_path, tmp_path / "absent") is None


def test_this_machine_has_one() -> None:
    assert mount_of(Path("/")) is not None


def test_commands_refuse_sqlite_on_a_network_file_system_and_say_how_to_get_out(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _table(tmp_path, "/dev/sda / ext4", f"server:/x {tmp_path} nfs4")
    monkeypatch.setattr(file_systems, "MOUNTS", table)
    with pytest.raises(StoreError, match="lies on a network file system") as refused:
        open_store(paths)
    assert f"(nfs4, mounted at {tmp_path})" in str(refused.value)
    for arguments in (["grid", "status", "quick"], ["compare", "quick"], ["store", "sync"]):
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 1
        assert "where SQLite loses data as soon as two machines write" in done.stderr
        assert "ABLAB_HOME=/a/local/folder" in done.stderr
        assert "MLFLOW_TRACKING_URI=http://that-machine:5000" in done.stderr
    assert not paths.root.exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    open_store(paths, patient=True)
