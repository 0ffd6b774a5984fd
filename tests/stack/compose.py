"""The compose file as its services run without Docker: the same commands, other hosts, ports and folders."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "POSTGRES_PASSWORD": "pg-secret-of-the-test",
    "MLFLOW_ADMIN_PASSWORD": "admin-secret-of-the-test",
    "MLFLOW_SECRET_KEY": "forms-secret-of-the-test",
}
PLACES = {"/var/lib/ablab/artifacts": "artifacts", "/var/lib/ablab/mlruns": "mlruns"}
"""Folder of the image -> folder of the test."""


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


def command(service: str, folder: Path, port: int | None = None) -> list[str]:
    """The service's command, on loopback, on another port, below another folder."""
    parts = [interpolated(str(part), SECRETS) for part in services()[service]["command"]]
    made = []
    for part in parts:
        part = part.replace("--host=0.0.0.0", "--host=127.0.0.1")
        if port is not None:
            part = re.sub(r"^--port=\d+$", f"--port={port}", part)
        for place, name in PLACES.items():
            part = part.replace(place, str(folder / name))
        made.append(part)
    return [str(Path(sys.executable).with_name(made[0])), *made[1:]]


def environment(service: str, folder: Path, postgres_port: int, mlflow: str = "") -> dict[str, str]:
    """The service's environment, and what of the machine's own a program needs."""
    declared = {
        name: interpolated(str(value), SECRETS) for name, value in services()[service]["environment"].items()
    }
    moved = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres_port),
        "MLFLOW_AUTH_CONFIG_PATH": str(ROOT / "deploy" / "mlflow_auth.ini"),
        "MLFLOW_TRACKING_URI": mlflow,
        "ABLAB_HOME": str(folder / "mlruns"),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    changed = {name: moved.get(name, value) for name, value in declared.items()}
    return {**kept, "PGPORT": str(postgres_port), "OMP_NUM_THREADS": "1", **changed}


class Service:
    """One service as a process of its own group, its output in a file."""

    def __init__(self, arguments: list[str], variables: dict[str, str], folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                arguments,
                env=variables,
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def await_answer(self, address: str, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"no answer from {address}:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(timeout=30)
