"""The command line as a whole: help, errors as text, exit codes, and what a start costs."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ablab.cli import main as program
from ablab.cli.main import SECTIONS, cli
from ablab.errors import AblabError, Problem, SpecError

LIBRARIES = """
import click, pydantic, yaml
class Model(pydantic.BaseModel):
    a: int
"""
"""What a command that checks a spec cannot do without."""


def test_help_lists_every_command_under_its_heading() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    lines = iter(result.stdout.splitlines())
    for heading, entries in SECTIONS.items():
        assert f"{heading}:" in lines
        for name, entry in entries.items():
            line = next(lines)
            assert line.split()[0] == name
            assert line.endswith(entry.summary)


@pytest.mark.parametrize("name", [name for entries in SECTIONS.values() for name in entries])
def test_every_listed_command_is_there_and_helps(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: cli {name}")


def test_version() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.stdout.split()[0]) == (0, "ablab")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("exprimnt", "did you mean 'experiment'?"), ("zzz", "see: ablab --help")],
)
def test_an_unknown_command_names_the_nearest(name: str, hint: str) -> None:
    result = CliRunner().invoke(cli, [name])
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: no such command '{name}' ({hint})\n")


class Own(program.Root):
    """The root group with one command of the test's own."""

    raised: BaseException

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        @click.command()
        def act() -> None:
            raise self.raised

        return act

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["act"]


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (AblabError("the store is away"), 1, "error: the store is away\n"),
        (
            SpecError([Problem("a.yaml", 1, "x", "is wrong"), Problem("a.yaml", 2, "y", "too")]),
            2,
            "error: a.yaml:1: x: is wrong\nerror: a.yaml:2: y: too\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/a.lease"),
            1,
            "error: disk full: cannot write /data/a.lease; make room, then run the same command again\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_on_purpose_are_text(raised: BaseException, code: int, text: str) -> None:
    group = Own("ablab")
    group.raised = raised
    result = CliRunner().invoke(group, ["act"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text)


def test_an_unforeseen_error_shows_its_traceback_and_asks_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = Own("ablab")
    group.raised = ZeroDivisionError("oh")
    monkeypatch.setattr(program, "cli", group)
    with pytest.raises(SystemExit) as caught:
        program.main(["act"])
    assert caught.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == [
        "ZeroDivisionError: oh",
        "This is a fault of ablab, not of your input. Please report it with the text above.",
    ]


STARTS = [
    ["--help"],
    ["experiment", "show", "wrong.yaml"],
    ["grid", "plan", "wrong.yaml"],
    ["experiment", "show", "experiments/quickstart.yaml"],
    ["grid", "plan", "ablations/v2_improvements.yaml", "--offline"],
]


@pytest.fixture
def wrong(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the project's specs and a wrong one."""
    for folder in ("experiments", "ablations"):
        (tmp_path / folder).symlink_to(root / folder)
    (tmp_path / "wrong.yaml").write_text("kind: grid\nname: ../x\nbase: experiments/nope.yaml\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


_BYTECODE = tempfile.TemporaryDirectory()


def cpu_seconds(*command: str) -> float:
    """The least CPU time of several runs: other work on the machine only ever adds.

    Bytecode is kept, as on a user's machine, whatever the environment of the tests says.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": _BYTECODE.name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=False, capture_output=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


@pytest.mark.parametrize("arguments", STARTS, ids=" ".join)
def test_a_start_is_cheap(wrong: Path, arguments: list[str]) -> None:
    code = "import sys; from ablab.cli.main import main; main(sys.argv[1:])"
    bare = cpu_seconds(sys.executable, "-c", "pass")
    libraries = cpu_seconds(sys.executable, "-c", LIBRARIES) - bare
    # 0.3 to 1.6 times on a quiet machine; torch alone would make it 10 times.
    assert cpu_seconds(sys.executable, "-c", code, *arguments) - bare < 2.5 * libraries


@pytest.mark.parametrize("arguments", STARTS, ids=" ".join)
def test_a_start_imports_nothing_heavy(wrong: Path, arguments: list[str]) -> None:
    code = (
        "import sys, atexit; from ablab.cli.main import main;"
        "heavy = {'torch', 'mlflow', 'optuna', 'pandas', 'scipy', 'matplotlib', 'numpy', 'rich'};"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))));"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "wrong.yaml" in arguments else 0), done.stderr
