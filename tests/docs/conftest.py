"""The workplace in which documented commands run, with the finished studies that pages speak of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.docs.workplace import clone


def invoke(*arguments: str) -> Result:
    """The command line, in this process."""
    from ablab.cli.main import cli

    return CliRunner().invoke(cli, list(arguments), prog_name="ablab")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder like a clone's, small; its state root holds what the pages take for granted."""
    folder = tmp_path_factory.mktemp("workplace")
    clone(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLAB_HOME", str(folder / "mlruns"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        for command in (
            "data split raw data/split_data --pattern {subject}_{recording}",
            "grid run ablations/quickstart.yaml",
            "experiment run experiments/v2_full.yaml --seed 0 --study single",
            "regression promote quickstart --name smoke",
            "grid run ablations/v2_improvements.yaml",
            "regression promote v2_improvements --name v2_full",
        ):
            done = invoke(*command.split())
            assert done.exit_code == 0, f"ablab {command}\n{done.output}"
        yield folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path) -> Iterator[Path]:
    """The prepared folder as the current one; what commands write beside the state root is undone."""
    kept = tmp_path / "kept"
    shutil.copytree(prepared, kept, ignore=shutil.ignore_patterns("mlruns"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(prepared)
        yield prepared
    for entry in sorted(prepared.iterdir()):
        if entry.name != "mlruns":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(kept, prepared, dirs_exist_ok=True)
