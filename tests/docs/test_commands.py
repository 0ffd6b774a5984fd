"""Every command in README and docs/*.md is run, or stands in the table of those that cannot be, with its reason.

One test per page, its commands in their order, in a miniature of the project (``workplace.py``). What a page writes as
FILE or STUDY is filled in from `FILLED`. All pages share one prepared state root, and so one process of pytest-xdist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
import pytest


from tests.docs.conftest import invoke
from tests.docs.pages import PAGES, ROOT, commands, spans

pytestmark = [pytest.mark.xdist_group("docs"), pytest.mark.timeout(900)]

RUN_KEY = "RUN"
"""What pages call a run; filled in with one that was trained on recordings."""

FILLED: Mapping[str, Mapping[str, str]] = {
    "": {
        "FILE": "ablations/quickstart.yaml",
        "STUDY": "quickstart",
        "KEY": RUN_KEY,
        "RAW": "raw",
        "OUT": "data/made",
        "DTU_SUBSET": "data/split_data",
        "FOLDER": "data/split_data",
        "/data/split_data": "data/split_data",
    },
    "ablab experiment": {"FILE": "experiments/quickstart.yaml"},
    "ablab search": {"FILE": "ablations/quickstart_search.yaml", "STUDY": "quickstart_search"},
}
"""Beginning of a command -> word on a page -> what is put in its place; longer beginnings come last and win."""

NOT_RUN: Mapping[str, str] = {
    r"make demo": "makes a virtual environment and fetches packages; its three commands run here on other pages",
    r"make (test|lint|bench)": "this is the suite itself, or takes hours",
    r"make (up|backup|restore)": "needs a Docker engine; the scripts and services run in tests/stack",
    r"docker compose": "needs a Docker engine; the services' own commands run in tests/stack",
    r"curl --user admin": "needs the team's server; tests/stack creates accounts by the same request",
    r"mlflow server --host 0.0.0.0": "would listen on every interface; tests run it on loopback",
    r"ray start": "would leave daemons; tests/orchestration/test_ray_launcher.py starts clusters",
    r"ablab .*--launcher ray": "needs a Ray cluster; tests/orchestration/test_ray_launcher.py has one",
    r"ablab .*--launcher slurm": "needs Slurm; tests/orchestration/test_slurm_launcher.py has stand-ins",
    r"ablab .*--launcher polite": "needs the package of that page, which test_launcher_table.py installs and runs",
    r"ablab train .*(--gpu 0|--use_ddp)": "needs GPUs; tests/spec/test_guide_flags.py holds what the flags mean",
    r"ablab experiment run .*--gpus 4": "needs four GPUs",
    r"ablab experiment run .*--study real_eeg_d128": "seven minutes, on recordings that are not the project's",
    r"python -m benchmarks": "minutes to hours",
    r"pip install": "needs a package index",
    r"git pull": "needs a remote",
    r"cp .env.example": "copies a file, which has to be there",
}
"""Pattern of a command's beginning -> why it is not run here. Its words are checked all the same."""

SERVERS: Mapping[str, str] = {
    "ablab ui": "http://",
    "ablab tensorboard": "http://",
    "ablab regression serve": "next",
    "optuna-dashboard": "Listening on http://",
}
"""Beginning of a command that runs until it is ended -> what it says once it serves."""

EXIT_CODES: Mapping[str, tuple[int, ...]] = {}
"""Beginning of a command -> exit codes that are an answer, where 0 is not the only one."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_they_say(page: Path, workplace: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        if _reason(command) is not None:
            _check_words(command)
        else:
            _run(_filled(command, workplace), workplace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_within_sentences_exist(page: Path) -> None:
    for command in spans(page.read_text(encoding="utf-8")):
        _check_words(command)


def test_the_table_of_what_is_not_run_holds_nothing_that_no_page_has() -> None:
    found = [command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))]
    unused = [pattern for pattern in NOT_RUN if not any(re.match(pattern, command) for command in found)]
    assert unused == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in ("ablab grid rum FILE", "ablab compare --metrics x", "make upp", "python -m benchmarks nothing"):
        with pytest.raises(AssertionError):
            _check_words(wrong)


def _reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


def _filled(command: str, workplace: Path) -> list[str]:
    values: dict[str, str] = {}
    for beginning, words in FILLED.items():
        if command.startswith(beginning):
            values |= words
    filled = []
    for word in shlex.split(command):
        key, equals, value = word.rpartition("=")
        value = values.get(value, value)
        filled.append(f"{key}{equals}{_a_run(workplace) if value == RUN_KEY else value}")
    return filled


def _a_run(workplace: Path) -> str:
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    (record,) = open_store(Paths(workplace / "mlruns")).records("single")
    return record.key[:10]


def _run(words: list[str], workplace: Path) -> None:
    command = " ".join(words)
    served = next((says for beginning, says in SERVERS.items() if command.startswith(beginning)), None)
    if served is not None:
        _serve(words, served)
        return
    assert words[0] == "ablab", f"{command}: neither run by a test nor in the table of what cannot be"
    if words[1:3] == ["data", "split"]:
        shutil.rmtree(workplace / words[4], ignore_errors=True)
    if "--out" in words and words[1] == "store":
        Path(words[words.index("--out") + 1]).unlink(missing_ok=True)
    done = invoke(*words[1:])
    expected = next((codes for start, codes in EXIT_CODES.items() if command.startswith(start)), (0,))
    assert done.exit_code in expected, f"{command}\n{done.output}\n{done.exception!r}"
    assert done.output.strip(), f"{command}: says nothing"


def _serve(words: list[str], says: str) -> None:
    """Start a server as documented, but on a free port; wait until it says that it serves; end it politely."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    if words[0] == "ablab":
        program = [sys.executable, "-c", "from ablab.cli.main import main; main()", *words[1:]]
    else:
        program = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    if "serve" not in words:
        program += ["--port", port]
    server = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    said = ""
    try:
        assert server.stdout is not None
        for line in server.stdout:
            said += line
            if says in line:
                break
        assert says in said, f"{' '.join(words)}\n{said}"
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
        if "serve" in words:
            assert server.returncode == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def _check_words(command: str) -> None:
    """The command exists, and so does every option, target, service or benchmark that it names."""
    words = command.replace("[", "").replace("]", "").split()
    match words:
        case ["ablab", *rest]:
            _check_options(command, rest)
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command
        case ["docker", "compose", *rest]:
            services = (ROOT / "docker-compose.yml").read_text()
            named = [word for flag, word in zip(rest, rest[1:], strict=False) if flag == "--profile"]
            assert all(re.search(rf"profiles: *\[.*{profile}", services) for profile in named), command
        case ["python", "-m", "benchmarks", *names]:
            assert all((ROOT / "benchmarks" / f"{name}.py").is_file() for name in names), command
        case ["cp", file, *_]:
            assert (ROOT / file).is_file(), command


def _check_options(command: str, words: list[str]) -> None:
    from ablab.cli.main import cli

    found: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(found, click.Group) and words and not words[0].startswith("-"):
            inner = found.get_command(context, words[0])
            assert inner is not None, f"{command}: there is no such command"
            found, words = inner, words[1:]
        options = {name for each in found.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    assert not unknown, f"{command}: has no option {unknown[0]}"
