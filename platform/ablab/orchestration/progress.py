"""What a grid tells the outside while it runs. Knows no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ablab.spec.trial import Trial


class Progress(Protocol):
    """Receives what happens in a grid.

    Called from one thread. Between ``begin`` and ``end`` every trial that is ``started`` is also
    ``finished``, ``failed``, ``killed`` or ``ended``.
    """

    def note(self, text: str) -> None:
        """Something about the whole grid, also before ``begin``: data notices, cleaning up."""

    def begin(self, study: str, to_run: int, done: int, workers: int, threads: int, address: str) -> None:
        """Before the first trial: ``done`` trials need no run, ``address`` is the store's."""

    def started(self, trial: Trial, run_id: str) -> None:
        """The trial's run is open."""

    def advanced(self, trial: Trial, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        """An epoch (1-based) has ended; ``values`` holds the latest of each metric."""

    def warning(self, trial: Trial, text: str) -> None:
        """Something a person should look at; the trial goes on."""

    def finished(self, trial: Trial, seconds: float, metrics: Mapping[str, float]) -> None:
        """The trial is done."""

    def failed(self, trial: Trial, run_id: str | None, error: str) -> None:
        """The trial ended with an error; the grid goes on."""

    def killed(self, trial: Trial, reason: str) -> None:
        """The trial was interrupted and will run again the next time."""

    def ended(self, trial: Trial, reason: str) -> None:
        """The trial was ended early on purpose, and does not run again."""

    def end(self) -> None:
        """After the last trial, also where the grid was interrupted."""


class Silence:
    """Tells nobody."""

    def note(self, text: str) -> None:
        """See `Progress.note`."""

    def begin(self, study: str, to_run: int, done: int, workers: int, threads: int, address: str) -> None:
        """See `Progress.begin`."""

    def started(self, trial: Trial, run_id: str) -> None:
        """See `Progress.started`."""

    def advanced(self, trial: Trial, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        """See `Progress.advanced`."""

    def warning(self, trial: Trial, text: str) -> None:
        """See `Progress.warning`."""

    def finished(self, trial: Trial, seconds: float, metrics: Mapping[str, float]) -> None:
        """See `Progress.finished`."""

    def failed(self, trial: Trial, run_id: str | None, error: str) -> None:
        """See `Progress.failed`."""

    def killed(self, trial: Trial, reason: str) -> None:
        """See `Progress.killed`."""

    def ended(self, trial: Trial, reason: str) -> None:
        """See `Progress.ended`."""

    def end(self) -> None:
        """See `Progress.end`."""
