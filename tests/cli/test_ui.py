"""The servers are really started on a free port, looked at over loopback, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from ablab.cli.ui import tensorboard, ui
from ablab.errors import InputError, NotFoundError
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.trial import Cell, Trial
from ablab.tracking.mlflow.store import MlflowStore
from ablab.tracking.tensorboard import TensorBoardObserver

PATIENCE_SECONDS = 60.0
"""For servers to end, on a machine that does much else."""

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(paths: Paths, port: int) -> Iterator[Start]:
    """Starts a command of this module in a process of its own and waits for the address it prints."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        program = f"from ablab.cli.ui import {command}; {command}()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _record(paths: Paths) -> str:
    cell = Cell("residual=gated", "gated", {"improvements.residual": "gated"}, Experiment(name="a"))
    trial = Trial("ab" * 16, "quickstart", cell, 0, "d4ta")
    writer = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths).open_run(trial)
    writer.finish({"test/pearson": 0.1}, ())
    return writer.run_id


def _get(address: str, body: dict[str, Any] | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def _family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    return family


def _assert_gone(family: list[psutil.Process], port: int) -> None:
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    # Without an init process that reaps them, orphans that have ended stay as zombies.
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


@pytest.mark.usefixtures("tables")
def test_the_ui_serves_runs_and_artifacts_until_ctrl_c(start: Start, paths: Paths, port: int):
    run_id = _record(paths)
    process, address = start("ui")
    assert address == f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"
    address = address.partition("/#")[0]
    assert "<title>MLflow</title>" in _get(address)
    found = json.loads(_get(f"{address}/api/2.0/mlflow/experiments/get-by-name?experiment_name=quickstart"))
    query = {
        "experiment_ids": [found["experiment"]["experiment_id"]],
        "filter": "tags.residual = 'gated' AND tags.cell = 'residual=gated'",
    }
    (run,) = json.loads(_get(f"{address}/api/2.0/mlflow/runs/search", query))["runs"]
    assert run["info"]["run_id"] == run_id
    assert "residual:" in _get(f"{address}/get-artifact?path=spec.yaml&run_uuid={run_id}")

    family = _family(process)
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_SECONDS)
    _assert_gone(family, port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_tensorboard_serves_the_guides_tags_and_leaves_nobody_behind(
    start: Start, paths: Paths, port: int, number: int
):
    observer = TensorBoardObserver(paths.tensorboard / "quickstart" / "gated-s0")
    observer.metrics(1, {"gradient/norm": 2.0})
    observer.close()
    process, address = start("tensorboard", "--study", "quickstart")
    assert "TensorBoard" in _get(address)
    for _ in range(50):
        tags = json.loads(_get(f"{address}/data/plugin/scalars/tags"))
        if tags:
            break
        time.sleep(0.2)
    assert tags == {"gated-s0": {"Gradient/norm": {"displayName": "", "description": ""}}}

    family = _family(process)
    process.send_signal(number)
    process.wait(PATIENCE_SECONDS)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    _assert_gone(family, port)


def _invoke(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize("command", [ui, tensorboard])
def test_nothing_recorded_yet_says_what_records(paths: Paths, command: Any):
    result = _invoke(command)
    assert isinstance(result.exception, NotFoundError)
    assert "nothing is recorded in" in str(result.exception)
    assert "ablab grid run ablations/quickstart.yaml" in str(result.exception)
    assert not paths.root.exists()


@pytest.mark.parametrize("command", [ui, tensorboard])
def test_a_port_in_use_names_the_option(paths: Paths, command: Any):
    (paths.tensorboard / "quickstart").mkdir(parents=True)
    paths.mlflow_db.touch()
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        result = _invoke(command, "--port", str(taken))
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(f"--port {taken}: cannot be used (Address already in use)")


def test_an_unknown_study_is_named_with_the_nearest(paths: Paths):
    (paths.tensorboard / "quickstart").mkdir(parents=True)
    for wrong in ("quikstart", "../quickstart"):
        result = _invoke(tensorboard, "--study", wrong)
        assert isinstance(result.exception, NotFoundError)
        assert "(did you mean 'quickstart'?); there are: quickstart" in str(result.exception)


def test_a_server_elsewhere_is_named_and_nothing_is_started(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://team:secret@ml.example.org/mlflow")
    result = _invoke(ui)
    assert (result.exit_code, result.stdout) == (0, "https://ml.example.org/mlflow\n")
    assert not paths.root.exists()


def test_the_commands_import_nothing_heavy():
    program = (
        "import sys; import ablab.cli.ui, ablab.tracking.serving;"
        "assert not {'mlflow', 'torch', 'tensorboard', 'numpy'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, cwd=Path.cwd(), env={**os.environ}
    )
