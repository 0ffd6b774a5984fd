"""Which failed trial is tried again, and when failures say that it is the grid that is broken. Pure.

- A worker that died, and a store that was away, are tried again ``max_retries`` times, from the last
  checkpoint.
- Out of memory is tried again once, and only where other trials ran beside it: they may have had the memory.
  A trial that ran out of it alone would do so again.
- A full disk, a loss that diverged and every other error of the trial itself are not: the same follows again.

Two cells that end in the same traceback (or both at a full disk, or both for a store that is away) stop the
grid. A loss that diverges, memory and deaths do not count: these are findings about a cell, or accidents.
"""

from __future__ import annotations

import re
from collections import Counter

from ablab.orchestration.events import Failed

MAX_RETRIES = 2
_OWN_TO_A_RUN = re.compile(r"\b[0-9a-f]{16,}\b|\.\d+\.")
"""Keys, run ids, and process ids in names of temporary files."""


class Retries:
    """Remembers the failures of one session."""

    def __init__(self, max_retries: int) -> None:
        self._max = max_retries
        self._died: Counter[str] = Counter()
        self._starved: set[str] = set()
        self._cells: dict[str, str] = {}

    def grants(self, event: Failed, *, alone: bool) -> str | None:
        """How the trial is tried again ("retry 1 of 2"); None where it is not. Counts the failure."""
        if event.cause in ("died", "store") and self._died[event.key] < self._max:
            self._died[event.key] += 1
            return f"retry {self._died[event.key]} of {self._max}"
        if event.cause == "memory" and self._max and not alone and event.key not in self._starved:
            self._starved.add(event.key)
            return "once more, since other trials ran beside it"
        return None

    def repeats(self, event: Failed, cell: str) -> str | None:
        """Another cell that ended in the same way; None where there is none. Counts the failure."""
        if event.cause in ("disk", "store"):
            signature: str = event.cause
        elif event.cause == "error":
            signature = _OWN_TO_A_RUN.sub("#", event.traceback or event.error)
        else:
            return None
        before = self._cells.setdefault(signature, cell)
        return before if before != cell else None
