"""Where a run comes from: a fingerprint of the code that decides its result, commit, versions, machine.

Never imports torch, numpy or MLflow; their versions are read from the installed packages' metadata.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ablab.spec.experiment import Conformer, Experiment
from ablab.spec.plugins import package

_PACKAGE = Path(__file__).resolve().parents[1]

_DECISIVE = ("data", "diagnostics", "models", "scoring", "training")
"""Packages whose code decides what a trial's result is; the rest only starts, stores and shows it."""

_LONGEST_DIFF = 1_000_000
"""Characters; a longer diff is cut, since it is no longer a change that a person reads."""


@cache
def code_fingerprint() -> str:
    """Hash of the decisive sources and of torch's major.minor version, 16 hex digits.

    A finished run with another fingerprint is stale: training it again may give another result.
    """
    digest = hashlib.sha256(f"torch {_major_minor(_version('torch'))}".encode())
    for file in _sources(_PACKAGE):
        digest.update(b"\0" + file.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def run_fingerprint(experiment: Experiment, code: str | None = None) -> str:
    """The code fingerprint of a run of this experiment: ``code``, that of the code now unless given, and
    behind a ``+`` name and version of the package that its model comes from, where that is not ablab.

    >>> run_fingerprint(Experiment(name="a"), "3f9c21d0aa51b6e7")
    '3f9c21d0aa51b6e7'
    """
    code = code_fingerprint() if code is None else code
    is_built_in = isinstance(experiment.model, Conformer)
    return code if is_built_in else f"{code}+{package(experiment.model.kind)}"


def _sources(package: Path) -> list[Path]:
    found = (file for name in _DECISIVE for file in (package / name).rglob("*.py"))
    return sorted(found, key=lambda file: file.relative_to(package).as_posix())


def environment() -> dict[str, str]:
    """Tags of this process: commit, versions, host, pid."""
    tags = {
        "python_version": platform.python_version(),
        **{f"{name}_version": _version(name) for name in ("torch", "numpy", "mlflow", "ablab")},
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
    }
    commit = _commit()
    if commit:
        tags |= {"git_commit": commit, "git_dirty": "true" if _status() else "false"}
    return tags


@cache
def uncommitted() -> str:
    """What differs from the commit, as a diff under the list of files; empty where nothing does."""
    status = _status() if _commit() else ""
    if not status:
        return ""
    diff = _git("diff", "HEAD") or ""
    if len(diff) > _LONGEST_DIFF:
        diff = f"{diff[:_LONGEST_DIFF]}\n# cut: the whole diff has {len(diff)} characters\n"
    listing = "".join(f"# {line}\n" for line in status.splitlines())
    return f"{listing}{diff}"


@cache
def _commit() -> str:
    """Commit of the working copy that this code is part of; empty for an installed package.

    A package in an ignored folder of somebody's repository (a virtual environment) is no part of it.
    """
    tracked = _git("ls-files", "--error-unmatch", "--", "__init__.py")
    return (_git("rev-parse", "HEAD") or "").strip() if tracked else ""


@cache
def _status() -> str:
    return _git("status", "--porcelain") or ""


def _git(*arguments: str) -> str | None:
    """Output of a git command in the package's folder; None where it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=_PACKAGE,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _major_minor(text: str) -> str:
    return ".".join(text.split("+")[0].split(".")[:2])
