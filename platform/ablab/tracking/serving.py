"""Starts MLflow's UI and TensorBoard on this machine's loopback address, in the foreground.

The servers are separate programs; this module imports neither.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from types import FrameType
from typing import NoReturn

from ablab.errors import InputError, NotFoundError, StoreError
from ablab.paths import Paths
from ablab.tracking.mlflow.address import is_server, shown, sqlite_file, without_password
from ablab.tracking.open import tracking_uri
from ablab.tracking.supervisor import GRACE_SECONDS

HOST = "127.0.0.1"
"""Nobody else on the network sees the servers."""

_START_SECONDS = 90.0
"""MLflow's server takes 5 to 10 s to answer on an idle machine."""

_NOTHING = (
    "nothing is recorded in {place} yet; `ablab grid run ablations/quickstart.yaml` records a small study"
)

Announce = Callable[[str], None]
"""Is told the address of a page once it can be opened."""

PAGE = "/#/experiments?workflowType=machine_learning"
"""MLflow's pages open on traces of language models unless the address asks for training runs."""


def serve_mlflow(paths: Paths, port: int, announce: Announce) -> int:
    """Serve MLflow's UI until it ends or is interrupted; its exit status.

    Where ``MLFLOW_TRACKING_URI`` names a server, its address is announced and nothing is started.
    """
    uri = tracking_uri(paths)
    if is_server(uri):
        announce(without_password(uri))
        return 0
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise NotFoundError(_NOTHING.format(place=shown(uri)))
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--uvicorn-opts", "--log-level warning"]
    environment = {
        # The address may hold a password, which arguments would show to everyone on the machine.
        "MLFLOW_BACKEND_STORE_URI": uri if file is None else f"sqlite:///{file.absolute()}",
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": paths.artifacts.absolute().as_uri(),
        # 240 MB for a queue of jobs that nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return _serve("the MLflow server", command, environment, port, lambda address: announce(address + PAGE))


def serve_tensorboard(paths: Paths, port: int, study: str | None, announce: Announce) -> int:
    """Serve TensorBoard on the event files of one study, or of all; its exit status."""
    folder = paths.tensorboard if study is None else paths.tensorboard / study
    there = sorted(found.name for found in paths.tensorboard.glob("*") if found.is_dir())
    if not there:
        raise NotFoundError(_NOTHING.format(place=paths.tensorboard))
    if study is not None and study not in there:
        near = get_close_matches(study, there, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise NotFoundError(f"{study}: no event files of such a study{meant}; there are: {', '.join(there)}")
    command = [sys.executable, "-m", "tensorboard.main", "--host", HOST, "--port", str(port)]
    command += ["--logdir", str(folder.absolute())]
    return _serve("TensorBoard", command, {}, port, announce)


def _serve(
    name: str, command: Sequence[str], environment: Mapping[str, str], port: int, announce: Announce
) -> int:
    _check_free(port)
    address = f"http://{HOST}:{port}"
    # Whatever ends this process closes the pipe, and with it the server; see `ablab.tracking.supervisor`.
    reading, writing = os.pipe()
    with _stopped_by_sigterm():
        server = subprocess.Popen(
            [sys.executable, "-m", "ablab.tracking.supervisor", str(reading), *command],
            env={**os.environ, **environment},
            pass_fds=[reading],
            start_new_session=True,
            stdout=sys.stderr,
        )
        try:
            os.close(reading)
            _await_answer(name, address, server)
            announce(address)
            return server.wait()
        finally:
            os.close(writing)
            with suppress(subprocess.TimeoutExpired):
                server.wait(timeout=2 * GRACE_SECONDS)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        # As servers do it, so that a port they closed a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be used ({error.strerror}); choose another one"
            ) from error


def _await_answer(name: str, address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StoreError(
                f"{name} ended at once with exit status {server.returncode}; its message is above"
            )
        with suppress(OSError), direct.open(address, timeout=5):
            return
        time.sleep(0.2)
    raise StoreError(f"{name} does not answer on {address} after {_START_SECONDS:.0f} s")


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that what ``finally`` promises is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
