"""Hands what training tells to a run's writer. Has the methods of `ablab.training.observer.Observer`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ablab.tracking.store import RunWriter

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger("ablab")

_LONGEST_TAG = 4000
"""Characters; the smallest limit of an MLflow server that is still about is 5000."""


class StoreObserver:
    """Metrics become metrics, warnings the tag ``warnings``, facts metrics (numbers) or tags (text)."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._warnings: list[str] = []

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        """Facts about the trial, known before its first step."""
        self._writer.tag({name: fact for name, fact in facts.items() if isinstance(fact, str)})
        self._writer.metrics(0, {name: fact for name, fact in facts.items() if not isinstance(fact, str)})
        self._writer.flush()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars measured at a step."""
        self._writer.metrics(step, values)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Not kept: MLflow has no histograms, TensorBoard shows them."""

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        """Not kept: it only repeats the latest metrics."""

    def warning(self, text: str) -> None:
        """Keep a warning in the run's tag, one line each, and log it."""
        logger.warning("%s", text)
        if text not in self._warnings:
            self._warnings.append(text)
            self._writer.tag({"warnings": "\n".join(self._warnings)[:_LONGEST_TAG]})

    def flush(self) -> None:
        """Send what the writer still holds back."""
        self._writer.flush()
