"""What training tells the outside while it runs. Knows neither stores nor terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Observer:
    """Receives what happens in a trial; every method does nothing unless overridden.

    An observer never changes the model, its gradients or any random state, and a method that raises
    ends the trial.
    """

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        """Before the first step: ``model/parameters``, ``device``, ``steps`` ..."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Finite scalars measured at optimiser step ``step`` (0 before the first update)."""

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Named tensors whose distribution is of interest; valid only during the call."""

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        """After every epoch (1-based); ``values`` holds the latest of each metric."""

    def warning(self, text: str) -> None:
        """Something a person should look at; training goes on."""

    def flush(self) -> None:
        """Before a checkpoint: what was told so far will not be told again, even if the process dies."""


class Observers(Observer):
    """Passes everything on to several observers, in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        """See `Observer.begin`."""
        for observer in self._observers:
            observer.begin(facts)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See `Observer.metrics`."""
        for observer in self._observers:
            observer.metrics(step, values)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """See `Observer.histograms`."""
        for observer in self._observers:
            observer.histograms(step, values)

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        """See `Observer.progress`."""
        for observer in self._observers:
            observer.progress(epoch, epochs, step, values)

    def warning(self, text: str) -> None:
        """See `Observer.warning`."""
        for observer in self._observers:
            observer.warning(text)

    def flush(self) -> None:
        """See `Observer.flush`."""
        for observer in self._observers:
            observer.flush()
