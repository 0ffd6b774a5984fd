"""A PostgreSQL server of the distribution's packages, on loopback, with the compose file's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.stack.compose import ROOT, SECRETS, services

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))


def binaries() -> Path | None:
    """Where PostgreSQL's programs are; None where it is not installed."""
    found = shutil.which("initdb")
    return DEBIAN[-1] if DEBIAN else Path(found).parent if found else None


class Postgres:
    """Made, stopped, started again; ``remove`` leaves nothing of it."""

    def __init__(self, port: int) -> None:
        there = binaries()
        assert there is not None
        self.port, self._bin = port, there
        # PostgreSQL refuses to run as root; its packages bring an account of its own.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="ablab-pg-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        declared = services()["postgres"]["environment"]
        secret = self.folder / "secret"
        secret.write_text(SECRETS["POSTGRES_PASSWORD"])
        if self._user:
            shutil.chown(secret, self._user)
        self._run(
            "initdb",
            f"--pgdata={self.folder / 'data'}",
            f"--username={declared['POSTGRES_USER']}",
            f"--pwfile={secret}",
            "--auth-local=scram-sha-256",
            "--no-sync",
            *declared["POSTGRES_INITDB_ARGS"].split(),
        )
        secret.unlink()
        self.start()
        self.psql("postgres", f"CREATE DATABASE {declared['POSTGRES_DB']}")
        for statement in (ROOT / "deploy" / "databases.sql").read_text().splitlines():
            if statement and not statement.startswith("--"):
                self.psql("postgres", statement)

    @property
    def variables(self) -> dict[str, str]:
        """What libpq has to know."""
        user = services()["postgres"]["environment"]["POSTGRES_USER"]
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": user,
            "PGPASSWORD": SECRETS["POSTGRES_PASSWORD"],
        }

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run(
            "pg_ctl",
            "start",
            "-w",
            "-D",
            f"{self.folder / 'data'}",
            "-l",
            f"{self.folder / 'log'}",
            "-o",
            options,
        )

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", f"{self.folder / 'data'}")

    def psql(self, database: str, statement: str) -> str:
        return subprocess.run(
            ["psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement],
            env={**os.environ, **self.variables},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
