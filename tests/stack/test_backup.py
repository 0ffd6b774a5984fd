"""`make backup` and `make restore`, by the scripts that they call, on real databases without Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import documented
from tests.stack.postgres import Postgres

DATABASES = ("mlflow", "mlflow_auth", "optuna")


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """What stands for /var/lib/ablab."""
    for name in ("artifacts/study/run", "mlruns/tensorboard"):
        (tmp_path / "var" / name).mkdir(parents=True)
    (tmp_path / "var" / "artifacts" / "study" / "run" / "spec.yaml").write_text("name: kept\n")
    return tmp_path / "var"


def script(root: Path, name: str, postgres: Postgres, var: Path, *arguments: str | Path):
    return run([str(root / "deploy" / name), *map(str, arguments)], root, postgres, var)


def run(words: list[str], folder: Path, postgres: Postgres, var: Path):
    # Beneath `make test`, make would say which folder it enters.
    outside = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    here = {"ABLAB_POSTGRES": "", "ABLAB_MLFLOW": "", "ABLAB_STATE": "", "ABLAB_VAR": str(var)}
    return subprocess.run(
        words,
        env={**outside, **postgres.variables, **here},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_was_backed_up_comes_back(root: Path, postgres: Postgres, var: Path, tmp_path: Path) -> None:
    for name in DATABASES:
        postgres.psql(name, f"CREATE TABLE backup_test AS SELECT '{name}' AS value")
    clone = tmp_path / "clone"
    shutil.copytree(root / "deploy", clone / "deploy")
    shutil.copy(root / "Makefile", clone)
    done = run(documented("make backup").split(), clone, postgres, var)
    assert done.returncode == 0, done.stderr
    folder = clone / done.stdout.strip()
    assert re.fullmatch(r"backups/\d{4}-\d\d-\d\dT\d{6}Z", done.stdout.strip())
    assert folder.stat().st_mode & 0o077 == 0
    for name in DATABASES:
        postgres.psql(name, "UPDATE backup_test SET value = 'lost'")
    (var / "artifacts" / "study" / "run" / "spec.yaml").unlink()
    done = script(root, "restore.sh", postgres, var, folder)
    assert done.returncode == 0, done.stderr
    for name in DATABASES:
        assert postgres.psql(name, "SELECT value FROM backup_test") == name
        postgres.psql(name, "DROP TABLE backup_test")
    assert (var / "artifacts" / "study" / "run" / "spec.yaml").read_text() == "name: kept\n"
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_damaged_backup_changes_nothing(root: Path, postgres: Postgres, var: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert script(root, "backup.sh", postgres, var, folder).returncode == 0
    postgres.psql("optuna", "CREATE TABLE newer (x int)")
    with (folder / "optuna.dump").open("ab") as dump:
        dump.write(b"x")
    done = script(root, "restore.sh", postgres, var, folder)
    assert done.returncode == 2
    assert f"error: {folder} is damaged; nothing was changed" in done.stderr
    (folder / "SHA256SUMS").write_text("")
    done = script(root, "restore.sh", postgres, var, folder)
    assert done.returncode == 2
    assert "mlflow.dump is not in its SHA256SUMS; nothing was changed" in done.stderr
    assert postgres.psql("optuna", "DROP TABLE newer; SELECT 1") == "1"


def test_a_backup_is_never_written_over(root: Path, postgres: Postgres, var: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    done = script(root, "backup.sh", postgres, var, tmp_path / "backup")
    assert (done.returncode, list((tmp_path / "backup").iterdir())) == (2, [])
    assert "is there already" in done.stderr
