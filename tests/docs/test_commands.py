"""Every command in README and docs/*.md is run, or stands in the table of what cannot be, with its reason.

One test per page, its commands in their order, in a miniature of the project (``workplace.py``). What a page
writes as FILE or STUDY is filled in from `FILLED`. All pages share one prepared state root, and so one
process of pytest-xdist.
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
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import click
import pytest
from tests.docs.conftest import invoke
from tests.docs.pages import PAGES, ROOT, commands, documented, spans

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

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
    "ablab experiment run experiments/v2_full.yaml --seed 0 --study real_eeg_d128": {
        # Seven minutes on real recordings, two here.
        "training.epochs=16": "training.epochs=2",
        "dataset.windows_per_recording=20": "dataset.windows_per_recording=4",
        "model.d_model=128": "model.d_model=16",
        "model.d_inner=512": "model.d_inner=16",
        "model.n_layers=4": "model.n_layers=1",
    },
    "ablab search": {"FILE": "ablations/quickstart_search.yaml", "STUDY": "quickstart_search"},
    "ablab search run": {"16": "3"},
}
"""Beginning of a command -> word on a page -> what stands for it; longer beginnings come last and win.

Only sizes and what pages leave open are filled in.
"""

RUN_ELSEWHERE: Mapping[str, str] = {
    "make backup": "tests/stack/test_backup.py",
    "cp .env.example": "tests/stack/test_compose.py",
    "curl --user admin": "tests/stack/test_server.py",
    "docker compose run --rm": "tests/stack/test_services.py",
    "docker compose --profile gpu run --rm": "tests/stack/test_services.py",
    "ablab grid run FILE --launcher polite": "tests/orchestration/test_launcher_table.py",
    "ray start --head": "tests/orchestration/test_ray_page.py",
    "mlflow server": "tests/orchestration/test_ray_page.py",
    "ablab grid run ablations/v2_improvements.yaml --launcher ray": "tests/orchestration/test_ray_page.py",
}
"""Beginning of a command -> the test that takes it from its page and runs it, with the servers it needs."""

NOT_RUN: Mapping[str, str] = {
    r"make demo TORCH": "fetches packages; what comes after that is run",
    r"make (test|test-faults|lint|bench)( |$)": "this is the suite itself, or takes hours",
    r"make (up|restore)": "needs a Docker engine; the scripts and services run in tests/stack",
    r"docker compose (--profile optuna up|build)": "needs a Docker engine; the services run in tests/stack",
    r"ablab grid run FILE --launcher ray": "needs a Ray cluster; test_ray_page.py starts that of its page",
    r"ablab grid run grid.yaml --launcher ray": "what tests/orchestration/test_node_loss.py printed",
    r"ablab .*--launcher slurm": "needs Slurm; tests/orchestration/test_slurm_launcher.py has stand-ins",
    r"ablab experiment run .*--gpus 4": "needs four GPUs",
    r"python -m benchmarks": "minutes to hours",
    r"python -m tests.faults.rounds": "minutes; tests/faults runs rounds of it",
    r"pip install": "needs a package index",
    r"git pull": "needs a remote",
}
"""Pattern of a command's beginning -> why it is not run. Its words are checked all the same."""

WITHOUT_GPUS: Mapping[str, str] = {
    "ablab train .*--gpu 0": "--dry-run",
    "ablab train .*--use_ddp": "--dry-run",
}
"""Pattern of a command -> what is put behind it, as the GPUs that it asks for are not here."""

SERVERS = ("ablab ui", "ablab tensorboard", "ablab regression serve", "optuna-dashboard")
"""Beginnings of commands that run until they are ended."""

_served: set[str] = set()
"""Commands of servers that have served: what two pages say in the same words is started once."""

EXIT_CODES: Mapping[str, tuple[int, ...]] = {"ablab grid pilot": (0, 1)}
"""Beginning of a command -> exit codes that are an answer: a pilot says go or stop."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_they_say(page: Path, workplace: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        if _reason(command) is not None or _elsewhere(command) is not None:
            _check_words(command)
        else:
            _run(_filled(command, workplace), workplace)


def test_a_run_made_again_from_the_bundle_has_the_same_bits(workplace: Path) -> None:
    """What README promises to a reviewer."""
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    _run(["ablab", "report", "quickstart", "--bundle", "--out", "to_send"], workplace)
    again = "ABLAB_HOME=a_second_home ablab experiment run to_send/specs/000.yaml --seed 0 --study again"
    _run(shlex.split(again), workplace)
    (made,) = open_store(Paths(workplace / "a_second_home")).records("again")
    (sent,) = (
        run for run in open_store(Paths(workplace / "mlruns")).records("quickstart") if run.key == made.key
    )
    assert made.subjects == sent.subjects
    assert made.metrics["test/pearson"] == sent.metrics["test/pearson"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_within_sentences_exist(page: Path) -> None:
    for command in spans(page.read_text(encoding="utf-8")):
        _check_words(command)


def test_the_tables_hold_nothing_that_no_page_has() -> None:
    found = [command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))]
    patterns = [*NOT_RUN, *WITHOUT_GPUS, *map(re.escape, RUN_ELSEWHERE)]
    assert [pattern for pattern in patterns if not any(re.match(pattern, each) for each in found)] == []


@pytest.mark.parametrize("beginning", RUN_ELSEWHERE)
def test_what_is_run_elsewhere_is_taken_from_its_page_there(beginning: str) -> None:
    documented(beginning)  # the one that begins so
    test = (ROOT / RUN_ELSEWHERE[beginning]).read_text(encoding="utf-8")
    assert re.search(rf"documented\([\"']{re.escape(beginning)}[\"']\)", test)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in (
        "ablab grid rum FILE",
        "ablab compare --metrics x",
        "make upp",
        "python -m benchmarks nothing",
    ):
        with pytest.raises(AssertionError):
            _check_words(wrong)


def _reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


def _elsewhere(command: str) -> str | None:
    return next((test for beginning, test in RUN_ELSEWHERE.items() if command.startswith(beginning)), None)


def _filled(command: str, workplace: Path) -> list[str]:
    values: dict[str, str] = {}
    for beginning, words in FILLED.items():
        if command.startswith(beginning):
            values |= words
    filled = []
    more = next((more for pattern, more in WITHOUT_GPUS.items() if re.match(pattern, command)), "")
    for word in shlex.split(f"{command} {more}"):
        key, equals, value = values.get(word, word).rpartition("=")
        value = values.get(value, value)
        filled.append(f"{key}{equals}{_a_run(workplace) if value == RUN_KEY else value}")
    return filled


def _a_run(workplace: Path) -> str:
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    (record,) = open_store(Paths(workplace / "mlruns")).records("single")
    return record.run_id  # pages that ran before may have trained the same key in another study


def _run(words: list[str], workplace: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        while re.fullmatch(r"[A-Z_]+=\S+", words[0]):
            name, _, value = words.pop(0).partition("=")
            patch.setenv(name, str(workplace / value))
        _do(words, workplace)


def _do(words: list[str], workplace: Path) -> None:
    command = " ".join(words)
    if command.startswith(SERVERS):
        if command not in _served:
            _serve(words)
            _served.add(command)
        return
    if words[0] == "make":
        _make(words)
        return
    assert words[0] == "ablab", f"{command}: neither run by a test nor in the table of what cannot be"
    if words[1:3] == ["data", "split"]:
        shutil.rmtree(workplace / words[4], ignore_errors=True)
    if "--out" in words and words[1] == "store":
        Path(words[words.index("--out") + 1]).unlink(missing_ok=True)
    done = invoke(*words[1:])
    expected = next((codes for start, codes in EXIT_CODES.items() if command.startswith(start)), (0,))
    assert isinstance(done.exception, SystemExit | None), f"{command}\n{done.output}\n{done.exception!r}"
    assert done.exit_code in expected, f"{command}\n{done.output}"
    assert done.output.strip(), f"{command}: says nothing"


def _make(words: list[str]) -> None:
    """A target of the Makefile, by what is installed here: without setting up."""
    ready = Path("ready")
    ready.touch()
    here = [f"BIN={Path(sys.executable).parent}", f"READY={ready}"]
    done = subprocess.run([*words, *here], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip" not in done.stdout


def _serve(words: list[str]) -> None:
    """Start a server as documented, but on a free port; wait until it serves; end it politely."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    if words[0] == "ablab":
        program = [sys.executable, "-c", "from ablab.cli.main import main; main()", *words[1:]]
    else:
        program = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    is_schedule = words[1:3] == ["regression", "serve"]
    program += [] if is_schedule else ["--port", port]
    with tempfile.TemporaryFile("w+") as output:
        server = subprocess.Popen(
            program,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

        def said() -> str:
            output.seek(0)
            return f"{' '.join(words)}\n{output.read()}"

        try:
            deadline = time.monotonic() + 200
            while not ("next" in said() if is_schedule else _answers(port)):
                assert server.poll() is None, said()
                assert time.monotonic() < deadline, said()
                time.sleep(0.3)
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=100)
            assert not is_schedule or server.returncode == 0, said()
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _answers(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as page:
            return bool(page.read())
    except OSError:
        return False


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
            named = [word for flag, word in pairwise(rest) if flag == "--profile"]
            assert all(re.search(rf"profiles: *\[.*{profile}", services) for profile in named), command
            started = [word for flag, word in pairwise(rest) if flag == "--rm"]
            assert all(f"\n  {service}:\n" in services for service in started), command
        case ["python", "-m", "tests.faults.rounds", *_]:
            assert (ROOT / "tests" / "faults" / "rounds.py").is_file()
        case ["python", "-m", "benchmarks", *names]:
            assert all((ROOT / "benchmarks" / f"{name}.py").is_file() for name in names), command
        case ["pip", "install", package]:
            extra = re.fullmatch(r"'ablab(\w+)'", package)  # brackets are gone
            assert extra is not None and f"\n{extra[1]} =\n" in (ROOT / "setup.cfg").read_text(), command


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
