"""One orchestrator per study: a lock that names its holder and that its death releases."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ablab.errors import StudyLockedError
from ablab.paths import Paths


@contextmanager
def study_lock(study: str, paths: Paths) -> Iterator[None]:
    """Hold the study; raises StudyLockedError, naming the holder, where another process does.

    An flock and not a file's existence, so that no lock is left behind by a process that was killed. Child
    processes do not inherit it: descriptors are closed on exec.
    """
    with named_lock(paths.lock(study), f"study {study!r}"):
        yield


@contextmanager
def named_lock(file: Path, what: str) -> Iterator[None]:
    """Hold ``file``; raises StudyLockedError saying that ``what`` is being run, by whom and since when."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyLockedError(
                f"{what} is being run by {_holder(file)}; wait for it, or end it first (lock file {file})"
            ) from None
        _write(descriptor, _description())
        try:
            yield
        finally:
            _write(descriptor, "")  # the file stays: removing it would let two processes lock two files
    finally:
        os.close(descriptor)


def holder(study: str, paths: Paths) -> str | None:
    """Who runs the study now, for people; None where nobody does."""
    file = paths.lock(study)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(file)
    finally:
        os.close(descriptor)
    return None


def _description() -> str:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": started})


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _holder(file: Path) -> str:
    try:
        facts = json.loads(file.read_text())
        return f"process {facts['pid']} on {facts['host']} since {facts['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
