"""Changes a SQLite database by way of a copy: what was there stays beside it, and nothing is half-changed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def replaced(file: Path, keep_as: Path, change: Callable[[Path], None]) -> None:
    """Copy ``file``, change the copy, keep the old one as ``keep_as``, put the new one in its place.

    Nobody may write to ``file`` meanwhile. A failure of ``change`` leaves everything as it was.
    """
    draft = file.with_name(f"{file.name}.changed")
    draft.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        change(draft)
        keep_as.unlink(missing_ok=True)
        try:
            keep_as.hardlink_to(file)
        except OSError:  # a file system without links
            shutil.copy2(file, keep_as)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
        for leftover in (f"{draft.name}-wal", f"{draft.name}-shm"):
            draft.with_name(leftover).unlink(missing_ok=True)
