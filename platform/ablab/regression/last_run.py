"""What a schedule remembers of each of its gates: the moment last claimed, and what became of it.

One small JSON file per gate, replaced as a whole. A moment is claimed before its gate starts, so that neither
a restart nor a kill runs it a second time; it is also the file to watch from outside.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ablab.errors import InputError
from ablab.orchestration.declared import write_atomically
from ablab.paths import Paths


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last moment that was due; times are ISO 8601 with their offset."""

    regression: str
    file: str
    due: str
    """The scheduled moment."""
    started: str | None = None
    ended: str | None = None
    """None while it runs, and where the schedule died meanwhile."""
    exit_code: int | None = None
    outcome: str | None = None
    """PASS, FAIL, INCONCLUSIVE, killed, skipped, or error."""
    detail: str | None = None
    """Why, where there is no verdict."""
    pid: int | None = None
    """Process of the gate."""
    gate: str | None = None
    log: str | None = None
    next: str | None = None

    @property
    def due_at(self) -> datetime:
        """The scheduled moment."""
        return datetime.fromisoformat(self.due)


def still_running(last: LastRun | None) -> bool:
    """Whether the last gate is still at work, as one is whose schedule has died."""
    if last is None or last.pid is None:
        return False
    try:
        process = psutil.Process(last.pid)
        return process.status() != psutil.STATUS_ZOMBIE and last.file in process.cmdline()
    except psutil.Error:
        return False


def last_run_file(study: str, paths: Paths) -> Path:
    """Where the last run of a gate is written down."""
    return paths.regression / f"{study}.last.json"


def read(study: str, paths: Paths) -> LastRun | None:
    """The last run; None before the first. InputError where the file is damaged."""
    file = last_run_file(study, paths)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = LastRun(**json.loads(text))
        if found.due_at.tzinfo is None:
            raise ValueError("its moment has no time zone")
        return found
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{file}: does not read as a last run ({str(error).splitlines()[0]}); "
            "delete it, and the schedule begins anew from now"
        ) from error


def write(study: str, last: LastRun, paths: Paths) -> None:
    """Replace the file as a whole."""
    text = json.dumps(asdict(last), indent=1, ensure_ascii=False) + "\n"
    write_atomically(last_run_file(study, paths), text)
