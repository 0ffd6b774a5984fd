"""In which order trials run, and who is told how they ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ablab.orchestration.events import Advanced, Finished
from ablab.spec.trial import Trial

Choose = Callable[[Sequence[Trial]], Trial | None]
"""Picks one of the waiting trials, or none now: `ablab.orchestration.launchers.Launcher.choose`."""


class Queue(Protocol):
    """Hands out every trial once; `ablab.orchestration.optuna.study.GridStudy` is the one of grids.

    The queue of a search makes its trials while it runs, and ends some early.
    """

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """Take the trials to run."""

    def ask(self, choose: Choose) -> Trial | None:
        """The next trial, chosen among those that wait; None where none is left, or none for now."""

    def advanced(self, event: Advanced) -> None:
        """The trial tells its latest metrics."""

    def unwanted(self) -> Mapping[str, str]:
        """Keys of trials in flight that are to end now, with the reason; each is named once."""

    def finished(self, event: Finished) -> None:
        """The trial is done."""

    def failed(self, key: str, run_id: str | None) -> None:
        """The trial failed, was killed or was ended."""


class Untold:
    """Tells nobody: for pilots and single experiments."""

    def __init__(self) -> None:
        self._waiting: list[Trial] = []

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """See `Queue.enqueue`."""
        self._waiting.extend(trials)

    def ask(self, choose: Choose) -> Trial | None:
        """See `Queue.ask`."""
        trial = choose(self._waiting)
        if trial is not None:
            self._waiting.remove(trial)
        return trial

    def advanced(self, event: Advanced) -> None:
        """See `Queue.advanced`."""

    def unwanted(self) -> Mapping[str, str]:
        """See `Queue.unwanted`."""
        return {}

    def finished(self, event: Finished) -> None:
        """See `Queue.finished`."""

    def failed(self, key: str, run_id: str | None) -> None:
        """See `Queue.failed`."""
