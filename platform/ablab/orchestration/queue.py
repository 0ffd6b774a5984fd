"""In which order trials run, and who is told how they ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from ablab.spec.trial import Trial


class Queue(Protocol):
    """Hands out every trial once; `ablab.orchestration.optuna.study.GridStudy` is the one of grids."""

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """Take the trials to run."""

    def ask(self, wanted: Mapping[str, Trial]) -> Trial | None:
        """The next trial; None where none is left."""

    def finished(self, key: str, run_id: str, metrics: Mapping[str, float]) -> None:
        """The trial is done."""

    def failed(self, key: str, run_id: str | None) -> None:
        """The trial failed or was killed."""


class InOrder:
    """As given, telling nobody: for pilots and single experiments."""

    def __init__(self) -> None:
        self._waiting: deque[Trial] = deque()

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """See `Queue.enqueue`."""
        self._waiting.extend(trials)

    def ask(self, wanted: Mapping[str, Trial]) -> Trial | None:
        """See `Queue.ask`."""
        return self._waiting.popleft() if self._waiting else None

    def finished(self, key: str, run_id: str, metrics: Mapping[str, float]) -> None:
        """See `Queue.finished`."""

    def failed(self, key: str, run_id: str | None) -> None:
        """See `Queue.failed`."""
