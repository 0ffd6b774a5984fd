"""Shared fixtures: an own state root for every test, the real EEG subset where it is at hand.

Also which worker of pytest-xdist runs what, and in which order.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ablab.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
DTU_SUBSET = ROOT.parent / "shared" / "data" / "dtu_subset"


ONE_WORKER = ("tests/faults", "tests/stack", "tests/tracking")
"""Folders whose files share what takes long to start, a grid, a database or a server; their tests run in one
process of pytest-xdist, one after the other."""

ASIDE = ("tests/faults/test_kills.py",)
"""Files that have a process of their own all the same: all others would be done long before that folder."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests run in one process, as its fixtures are made in each process that needs them.

    The mark ``xdist_group`` would say the same, but under pytest 9.2 pytest-xdist 3.8 passes over it without
    a word (pytest-dev/pytest-xdist#1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folders = () if file in ASIDE else ONE_WORKER
            return next((folder for folder in folders if file.startswith(f"{folder}/")), file)

    config.option.loadscopereorder = False  # as collected: see below
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for each core: tests of servers, grids and schedules wait half of their time."""
    return 2 * len(os.sched_getaffinity(0))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        # Files with slow tests first: what begins last must not be what all the others wait for.
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if DTU_SUBSET.is_dir():
        return
    skip = pytest.mark.skip(reason="the real EEG subset (8 subjects of the DTU data set) is not at hand")
    for item in items:
        if "real_data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture
def dtu_subset() -> Path:
    """Folder with real EEG in the split layout; use with ``@pytest.mark.real_data``."""
    return DTU_SUBSET


@pytest.fixture
def cuda() -> str:
    """A GPU; use with ``@pytest.mark.gpu``."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A state root of the test's own, also for child processes."""
    home = tmp_path / "mlruns"
    monkeypatch.setenv("ABLAB_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Paths(home)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: making them takes a second, copying them nothing."""
    from ablab.tracking.mlflow.connection import Connection

    paths = Paths(tmp_path_factory.mktemp("database"))
    Connection(f"sqlite:///{paths.mlflow_db}", paths)
    return paths.mlflow_db


@pytest.fixture
def tables(paths: Paths, empty_database: Path) -> None:
    """MLflow's tables are in the state root already, for tests that are not about a first start."""
    paths.root.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_database, paths.mlflow_db)
