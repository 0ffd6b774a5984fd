"""An MLflow server that is killed while a grid runs, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import pytest
import tiny
from tests.faults.rounds import Points, look, write

from ablab.paths import Paths

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else


class Server:
    """A real MLflow server over a SQLite file; the same port and file at every start."""

    def __init__(self, folder: Path) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.database = folder / "server.db"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={name: text for name, text in os.environ.items() if name != "ABLAB_HOME"} | quiet,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return
            time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.mark.slow
def test_a_server_that_is_killed_during_a_grid_and_comes_back_misses_nothing(
    tmp_path: Path, paths: Paths, expected: Points
) -> None:
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    grid = write(tmp_path, (0,))
    server.start()
    try:
        process = tiny.start(paths, "grid", "run", grid, "--workers", "1", store=server.address)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("started"):
                break
        time.sleep(0.5)
        server.kill()
        time.sleep(4)  # the first trial ends meanwhile, and the second begins
        server.start()
        _, error = process.communicate(timeout=280)
        assert process.returncode == 0, error
        assert look(paths, expected, server.database) == []
    finally:
        server.kill()
