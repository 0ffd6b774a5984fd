"""The team's stack without Docker: real PostgreSQL, a real MLflow server with accounts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.stack.compose import Service, command, environment
from tests.stack.postgres import Postgres, binaries


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = Postgres(free_port())
    yield server
    server.remove()


class Stack:
    """Address, folder and secrets of the running services."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.postgres, self.folder = postgres, folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.mlflow = self.start()

    def start(self) -> Service:
        service = Service(
            command("mlflow", self.folder, self.port),
            environment("mlflow", self.folder, self.postgres.port),
            self.folder,
            "mlflow",
        )
        service.await_answer(f"{self.address}/health")
        return service


@pytest.fixture(scope="session")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(postgres, tmp_path_factory.mktemp("stack"))
    yield running
    running.mlflow.stop()
