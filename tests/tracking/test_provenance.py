from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ablab.tracking import provenance


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources in a working copy of its own, with nothing remembered of the real one."""
    copy = tmp_path / "clone" / "platform" / "ablab"
    copy.mkdir(parents=True)
    for name in ("__init__.py", "models", "cli"):
        source = Path(provenance.__file__).parents[1] / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    monkeypatch.setattr(provenance, "_PACKAGE", copy)
    _forget()
    yield copy
    _forget()


def _forget() -> None:
    kept = (provenance._version, provenance._commit, provenance._status)
    for remembered in (provenance.code_fingerprint, provenance.uncommitted, *kept):
        remembered.cache_clear()


def _git(package: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=package.parents[1], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _fingerprint() -> str:
    _forget()
    return provenance.code_fingerprint()


def test_decisive_sources_change_the_fingerprint_and_others_do_not(package: Path):
    before = _fingerprint()
    assert len(before) == 16 and _fingerprint() == before
    (package / "cli" / "extra.py").write_text("x = 1\n")
    (package / "models" / "notes.md").write_text("text\n")
    assert _fingerprint() == before
    (package / "models" / "extra.py").write_text("x = 1\n")
    added = _fingerprint()
    assert added != before
    (package / "models" / "extra.py").rename(package / "models" / "other.py")
    assert _fingerprint() not in (before, added)


def test_the_fingerprint_carries_torchs_major_and_minor_version(package: Path, monkeypatch):
    versions = {"torch": "2.13.0+cpu"}
    monkeypatch.setattr(provenance, "version", lambda name: versions[name])
    before = _fingerprint()
    versions["torch"] = "2.13.4"
    assert _fingerprint() == before
    versions["torch"] = "2.14.0"
    assert _fingerprint() != before


def test_the_environment_names_versions_and_machine():
    tags = provenance.environment()
    assert tags["torch_version"] == version("torch")
    assert tags["host"] == socket.gethostname()
    assert tags["pid"] == str(os.getpid())


def test_commit_and_uncommitted_changes_are_recorded(package: Path):
    _git(package, "init", "-q")
    _git(package, "add", "-A")
    _git(package, "commit", "-qm", "first")
    assert provenance.environment()["git_commit"] == _git(package, "rev-parse", "HEAD")
    assert provenance.environment()["git_dirty"] == "false"
    assert provenance.uncommitted() == ""

    _forget()
    (package / "__init__.py").write_text('"""changed"""\n')
    (package / "new.py").write_text("")
    assert provenance.environment()["git_dirty"] == "true"
    difference = provenance.uncommitted()
    assert '+"""changed"""' in difference
    assert "# ?? platform/ablab/new.py" in difference


def test_a_package_that_git_does_not_know_has_no_commit(package: Path):
    _git(package, "init", "-q")
    assert "git_commit" not in provenance.environment()
    assert provenance.uncommitted() == ""


def test_torch_is_not_imported():
    program = (
        "import sys; from ablab.tracking import provenance as p; p.code_fingerprint(); p.environment();"
        "assert not {'torch', 'mlflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
