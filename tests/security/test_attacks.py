"""What files and names from elsewhere can do here: nothing. SECURITY.md names these tests."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.errors import SpecError
from ablab.paths import Paths
from ablab.spec.load import load_experiment
from ablab.tracking.mlflow.files import checked
from ablab.training import checkpoint, restart


class Payload:
    """Runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self._mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A folder that is there once a payload has run."""
    return tmp_path / "ran"


@pytest.fixture(params=["torch", "legacy torch", "pickle"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path, mark: Path) -> Path:
    """A checkpoint that runs code where it is loaded as torch did before ``weights_only``."""
    file = tmp_path / "best.pt"
    content = {"format": 1, "weights": Payload(mark)}
    if request.param == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=request.param == "torch")
    return file


def test_the_payload_would_run(hostile: Path, mark: Path) -> None:
    with suppress(RuntimeError):  # a bare pickle is no file of torch's: it runs, and then that is noticed
        torch.load(hostile, weights_only=False)
    assert mark.exists()


def test_a_hostile_checkpoint_runs_nothing(hostile: Path, mark: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)weights.only|unpickl|unsupported"):
        checkpoint.load(hostile)
    assert not mark.exists()


def test_a_hostile_checkpoint_is_an_error_of_the_command(hostile: Path, mark: Path, paths: Paths) -> None:
    done = ablab("diagnose", str(hostile))
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert not mark.exists()


def test_a_hostile_restart_file_is_passed_over(hostile: Path, mark: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    hostile.rename(folder / "restart-0000000001.pt")
    with pytest.raises(restart._Damaged):
        restart._read(folder / "restart-0000000001.pt")
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:os.mkdir ['{mark}']\n",
        "!!python/object/new:os.mkdir ['{mark}']\n",
        "name: x\nnotes: !include /etc/passwd\n",
        "name: ../../outside\n",
        "name: /etc/passwd\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: &e [*d, *d]\n"
        + "".join(f"k{n}: &k{n} [{', '.join(['*e'] * 9)}]\n" for n in range(9)),
        "name: " + "[" * 5000 + "]" * 5000 + "\n",
    ],
)
def test_a_hostile_spec_is_an_error_and_nothing_else(text: str, mark: Path, tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text(text.replace("{mark}", str(mark)))
    with pytest.raises(SpecError):
        load_experiment(file)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../x", "..", "a/../../x", "/etc/passwd", ""])
def test_an_artifact_name_stays_inside_its_run(name: str) -> None:
    with pytest.raises(Exception, match="has no artifact"):
        checked("0" * 32, name)


@pytest.mark.parametrize("run", ["../../../etc/passwd", "..", "a' OR 1=1 --", "%", "0" * 33, "x" * 10_000])
@pytest.mark.parametrize("command", ["logs", "diagnose", "predict"])
def test_a_run_is_named_by_hex_digits_alone(command: str, run: str, paths: Paths, tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "out")] if command == "predict" else []
    done = ablab(command, run, *arguments)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("study", ["../outside", "/etc/passwd", ".hidden", "a/b", "-rf", ""])
def test_a_study_never_names_a_folder_elsewhere(study: str, root: Path, paths: Paths) -> None:
    file = str(root / "ablations" / "quickstart.yaml")
    done = ablab("grid", "plan", file, "--offline", f"--study={study}")
    assert done.exit_code == 2
    assert "is no plain name" in done.stderr


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)
