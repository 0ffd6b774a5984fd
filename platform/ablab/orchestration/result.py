"""What one invocation of a grid did, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One trial that failed."""

    key: str
    cell: str
    error: str
    """First line; the traceback is in the store."""


@dataclass(frozen=True, slots=True)
class GridResult:
    """Counts of this invocation; ``trials`` is their sum."""

    study: str
    completed: int
    killed: int
    skipped: int
    """Needed no run: done before, kept although stale, or in work elsewhere."""
    not_started: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    interrupted: bool = False
    pruned: int = 0
    """Ended early, as not good enough; only a search does that."""
    undelivered: int = 0
    """Runs that are in their journals, and not whole in the store: it was away."""

    @property
    def failed(self) -> int:
        """Number of failed trials."""
        return len(self.failures)

    @property
    def trials(self) -> int:
        """Number of trials of the grid; of a search, of those that were begun."""
        return self.completed + self.failed + self.killed + self.pruned + self.skipped + self.not_started

    @property
    def exit_code(self) -> int:
        """130 where it was interrupted, 1 where a trial failed or the store lacks something, else 0."""
        return 130 if self.interrupted else 1 if self.failures or self.undelivered else 0

    def as_json(self) -> dict[str, object]:
        """The object that ``grid run --json`` prints; its schema is ``docs/json/grid_run.json``."""
        return {
            "study": self.study,
            "trials": self.trials,
            "completed": self.completed,
            "failed": self.failed,
            "killed": self.killed,
            "skipped": self.skipped,
            "not_started": self.not_started,
            "seconds": round(self.seconds, 3),
            "failures": [
                {"key": failure.key, "cell": failure.cell, "error": failure.error}
                for failure in self.failures
            ],
        }
