"""What a trial tells as lines of a file, for launchers whose only way back is a shared folder.

One process appends; another reads from where it stopped. A line that is being written is left for later.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed, Started, Warned
from ablab.spec.record import SubjectScore

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Advanced, Warned, Finished, Failed, Killed)
}


def to_line(event: Event) -> str:
    """The event as one line of JSON.

    >>> to_line(Warned("4f", "slow"))
    '{"event": "Warned", "key": "4f", "text": "slow"}'
    """
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_line(line: str) -> Event:
    """The event that `to_line` wrote."""
    facts = json.loads(line)
    kind = _KINDS[facts.pop("event")]
    if kind is Finished:
        facts["subjects"] = tuple(SubjectScore(**score) for score in facts["subjects"])
    return kind(**facts)


class EventFile:
    """One trial's events, oldest first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0

    def append(self, event: Event) -> None:
        """Write an event so that it outlives the writing machine."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(to_line(event) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def news(self) -> list[Event]:
        """What was not read before."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(whole) + len(newline)
        return [from_line(line) for line in whole.decode().splitlines()]
