"""A disk that fills up while a grid runs: it says so, and the same command goes on once there is room."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from tests.faults.rounds import Points, look, write

from ablab.paths import Paths

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_costs_nothing_once_there_is_room(
    small_disk: Path, tmp_path: Path, expected: Points
) -> None:
    paths = Paths(small_disk / "mlruns")
    grid = write(tmp_path, (0,))
    first = tiny.start(paths, "grid", "run", grid, "--workers", "1")
    deadline = time.monotonic() + 200
    while not list((paths.root / "runs").glob("*/*/restart-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)  # until nothing fits any more
    _, error = first.communicate(timeout=250)
    assert first.returncode == 1, error
    assert "disk full: cannot write" in error or "disk is full" in error, error
    for half in paths.root.rglob(".*.pt"):
        assert half.name.startswith(".")  # never under the name of a whole one

    ballast.unlink()
    second = tiny.start(paths, "grid", "run", grid, "--workers", "2")
    _, error = second.communicate(timeout=250)
    assert second.returncode == 0, error
    assert look(paths, expected) == []
