"""The team's stack without Docker: real PostgreSQL, a real MLflow server with accounts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mlflow_server import free_port
from tests.stack.compose import Service, environment
from tests.stack.postgres import Postgres, binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = Postgres(free_port())
    yield server
    server.remove()


class Stack:
    """PostgreSQL and the MLflow service, and how the other services are started beside them."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.postgres, self.folder = postgres, folder
        self.mlflow = Service("mlflow", folder, postgres.port)
        self.address = self.mlflow.address

    def start(self, name: str, **given: str) -> Service:
        """A service by its command in the compose file; ``given``: what stands in .env."""
        return Service(name, self.folder, self.postgres.port, self.address, given)

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the place of a service's own, as ``docker compose run`` does."""
        return subprocess.run(
            words,
            env=environment(name, self.folder, self.postgres.port, self.address),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=200,
        )


@pytest.fixture(scope="session")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(postgres, tmp_path_factory.mktemp("stack"))
    try:
        running.mlflow.wait_until(running.mlflow.is_healthy)
        yield running
    finally:
        running.mlflow.stop()
