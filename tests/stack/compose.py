"""The compose file as its services run without Docker: the same commands, other hosts, ports and folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML
from tests.mlflow_server import free_port
from tests.processes import still_running

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "POSTGRES_PASSWORD": "pg-secret-of-the-test",
    "MLFLOW_ADMIN_PASSWORD": "admin-secret-of-the-test",
    "MLFLOW_SECRET_KEY": "forms-secret-of-the-test",
}
PLACES = {"/var/lib/ablab/artifacts": "artifacts", "/var/lib/ablab/mlruns": "mlruns"}
"""Folder of the image -> folder of the test."""

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""The programs of the virtual environment stand in front, as in the image."""


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())["services"]
    return loaded


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """What compose makes of ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``."""

    def value(match: re.Match[str]) -> str:
        name, operator, rest = match[1], match[2], match[3]
        if values.get(name):
            return values[name]
        assert operator == ":-", f"{name} has to be given: {rest}"
        return str(rest)

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def command(service: str, folder: Path, port: int | None, given: Mapping[str, str]) -> list[str]:
    """The service's command, on loopback, on another port, below another folder."""
    made = []
    for part in services()[service]["command"]:
        part = interpolated(str(part), SECRETS | given)
        part = part.replace("--host=0.0.0.0", "--host=127.0.0.1")
        part = part.replace(f"--port={declared_port(service)}", f"--port={port}")
        for place, name in PLACES.items():
            part = part.replace(place, str(folder / name))
        made.append(part)
    return made


def environment(service: str, folder: Path, postgres_port: int, mlflow: str) -> dict[str, str]:
    """The service's environment, and what of the machine's own a program needs."""
    declared = {
        name: interpolated(str(value), SECRETS)
        for name, value in services()[service].get("environment", {}).items()
    }
    moved = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres_port),
        "MLFLOW_AUTH_CONFIG_PATH": str(ROOT / "deploy" / "mlflow_auth.ini"),
        "MLFLOW_TRACKING_URI": mlflow,
        "ABLAB_HOME": str(folder / "mlruns"),
    }
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    changed = {name: moved.get(name, value) for name, value in declared.items()}
    return {**kept, "PATH": PATH, "PGPORT": str(postgres_port), "OMP_NUM_THREADS": "1", **changed}


def declared_port(service: str) -> int | None:
    """What the service's command listens on in its container."""
    found = re.search(r"--port=(\d+)", " ".join(services()[service]["command"]))
    return int(found[1]) if found else None


def is_healthy(service: str, port: int | None, variables: Mapping[str, str]) -> bool:
    """What the declared check says of this port, asked once."""
    kind, *arguments = services()[service]["healthcheck"]["test"]
    assert kind == "CMD"
    if port is not None:
        declared, here = f"127.0.0.1:{declared_port(service)}/", f"127.0.0.1:{port}/"
        assert declared in arguments[-1]
        arguments[-1] = arguments[-1].replace(declared, here)
    checked = subprocess.run(arguments, env={"PATH": PATH, **variables}, capture_output=True, timeout=60)
    return checked.returncode == 0


def grace_seconds(service: str) -> float:
    """What Docker waits between SIGTERM and SIGKILL."""
    return float(services()[service].get("stop_grace_period", "10s").removesuffix("s"))


class Service:
    """One service of the compose file as a process, its output in a file; ``folder`` is its /opt/ablab."""

    def __init__(
        self, name: str, folder: Path, postgres_port: int, mlflow: str = "", given: Mapping[str, str] = {}
    ) -> None:
        """``mlflow``: address of that service. ``given``: what stands in .env beside the secrets."""
        self.name, self.log = name, folder / f"{name}.log"
        self.port = free_port() if declared_port(name) else None
        self.address = f"http://127.0.0.1:{self.port}"
        self._variables = environment(name, folder, postgres_port, mlflow)
        self.left: list[psutil.Process] = []
        """What it had started and had to be killed after its end."""
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command(name, folder, self.port, given),
                env=self._variables,
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.log.read_text(errors="replace")

    def is_healthy(self) -> bool:
        return is_healthy(self.name, self.port, self._variables)

    def wait_until(self, holds: Callable[[], bool], seconds: float = 150) -> None:
        """Until it holds; fails where the service ends before."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said[-4000:]
            time.sleep(0.2)

    def stop(self) -> int:
        """As Docker does: SIGTERM to the command alone, after the grace the end of all that it started."""
        if self.process.poll() is not None:
            return self.process.returncode
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        try:
            return self.process.wait(timeout=grace_seconds(self.name))
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.left = still_running(started, timeout=2)
            for process in self.left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
