"""Makes the helper modules of this folder importable, and holds the laboratory that several tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1]))

from listeners import write_files

Ablab = Callable[..., Result]


def invoke(*arguments: str | Path) -> Result:
    from ablab.cli.main import cli

    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def ablab() -> Ablab:
    """The command line, in this process."""
    return invoke


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, spec and a gate whose baseline ``tiny`` (3 seeds) is promoted; its own state."""
    folder = tmp_path_factory.mktemp("lab")
    write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLAB_HOME", str(folder / "mlruns"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        for seed in ("0", "1", "2"):
            assert invoke("experiment", "run", "tiny.yaml", "--seed", seed).exit_code == 0
        done = invoke("regression", "promote", "experiments", "--name", "tiny", "--why", "shown once")
        assert done.exit_code == 0, done.output
        yield folder
