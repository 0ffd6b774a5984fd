"""What is to be written of one run, as an append-only file: first here, then in the tracking store.

A row is written before anything is sent, and is sent unchanged however often that takes. Knows files only,
and nothing of where rows go. A folder holds ``rows.jsonl``, the offset up to which its rows were
``delivered``, and copies of the files that rows name. It is locked by the process that writes or delivers it,
and removed when the run has ended and everything was delivered.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablab.paths import Paths

_ROWS, _DELIVERED, _FILES = "rows.jsonl", "delivered", "files"

_TRIES, _SECONDS_BETWEEN_TRIES = 10, 0.1

Row = Mapping[str, Any]
"""One of ``metrics`` [[name, value, milliseconds since 1970, step], ...], ``tags`` {name: text}, ``params``
{name: text}, ``file`` (path in the folder) with ``folder``, ``end`` (MLflow's status) with ``at`` (ms)."""


class JournalInUseError(Exception):
    """Another process writes or delivers the journal."""


@dataclass(frozen=True, slots=True)
class Head:
    """Which run a journal is of."""

    run_id: str
    study: str
    cell: str
    seed: int
    key: str
    store: str
    """Address of the store without any password; empty for the one under the state root."""


class Journal:
    """One run's journal, open and locked by this process."""

    def __init__(self, folder: Path, head: Head | None = None) -> None:
        """Open the journal in ``folder``; with ``head`` it is made where it is not there.

        Raises JournalInUseError where another process has it, FileNotFoundError where there is none.
        """
        if head is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if head is not None else 0)
        self._descriptor = os.open(folder / _ROWS, flags, 0o644)
        try:
            _lock(self._descriptor)
            self._cut_torn_row()
            if head is not None and self.size == 0:
                self.append({"head": asdict(head)})
        except BlockingIOError:
            os.close(self._descriptor)
            raise JournalInUseError(str(folder)) from None
        except BaseException:
            os.close(self._descriptor)
            raise
        self._files = len(list((folder / _FILES).glob("*")))

    @property
    def size(self) -> int:
        """Bytes written."""
        return os.fstat(self._descriptor).st_size

    @property
    def delivered(self) -> int:
        """Bytes of rows that have arrived."""
        return _delivered(self.folder)

    def append(self, row: Row) -> None:
        """Write a row, whole or not at all (OSError, such as for a full disk)."""
        line = f"{json.dumps(row, separators=(',', ':'))}\n".encode()
        before = self.size
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):
                os.write(self._descriptor, line[written:])  # raises what cut the first one short
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise

    def keep(self, name: str, write: Callable[[Path], object], folder: str) -> None:
        """Have ``write`` make a copy of a file (or of a folder's contents) under the name it is given."""
        self._files += 1
        place = self.folder / _FILES / f"{self._files:04d}"
        place.mkdir(parents=True)
        write(place / name)
        self.append({"file": f"{_FILES}/{place.name}/{name}", "folder": folder})

    def secure(self) -> None:
        """Make sure that what was written outlives a power cut."""
        os.fsync(self._descriptor)

    def pending(self) -> Iterator[tuple[Row, int]]:
        """Rows that have not arrived, in order, each with the offset behind it."""
        at = self.delivered
        with (self.folder / _ROWS).open("rb") as file:
            file.seek(at)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # the writing thread is in the middle of it
                at += len(line)
                yield json.loads(line), at

    def mark(self, offset: int) -> None:
        """Note that all rows before ``offset`` have arrived; a note that is lost costs a second delivery."""
        temporary = self.folder / f"{_DELIVERED}.new"
        temporary.write_text(str(offset))
        temporary.replace(self.folder / _DELIVERED)

    def close(self) -> None:
        """Let another process have it; can be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Delete it, all having arrived."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()

    def _cut_torn_row(self) -> None:
        """A process that was killed, or a power cut, may leave half a row at the end."""
        content = (self.folder / _ROWS).read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)


def head(folder: Path) -> Head | None:
    """Whose journal it is; None where not even its first row is whole."""
    try:
        with (folder / _ROWS).open("rb") as file:
            return Head(**json.loads(file.readline())["head"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def folder(run_id: str, paths: Paths) -> Path:
    """Where the journal of a run lies."""
    return paths.journals / run_id


def undelivered(paths: Paths) -> tuple[tuple[Head, Path], ...]:
    """Journals that no process has open and whose runs the store does not know whole; reads files only."""
    found = []
    for place in sorted(paths.journals.glob("*")):
        of = head(place)
        if of is not None and not _in_use(place):
            found.append((of, place))
    return tuple(found)


def _lock(descriptor: int) -> None:
    """BlockingIOError where another process keeps the lock; whoever only looks holds it for a moment."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_SECONDS_BETWEEN_TRIES)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _in_use(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _ROWS, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # it has just been delivered
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _delivered(folder: Path) -> int:
    try:
        return int((folder / _DELIVERED).read_text())
    except (OSError, ValueError):
        return 0
