"""What stands between training and its observer: finite scalars only, warnings also in the log."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ablab.training.observer import Observer

log = logging.getLogger("ablab")


class Latest(Observer):
    """Passes metrics, histograms and warnings on to ``observer``; remembers the latest value of every metric.

    A metric that is not finite is left out: stores keep it as a number that it is not.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._warnings: list[str] = []
        self.values: dict[str, float] = {}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See `Observer.metrics`; an empty mapping is not passed on."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if finite:
            self.values.update(finite)
            self._observer.metrics(step, finite)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """See `Observer.histograms`; an empty mapping is not passed on."""
        if values:
            self._observer.histograms(step, values)

    def warning(self, text: str) -> None:
        """See `Observer.warning`."""
        log.warning(text)
        self._warnings.append(text)
        self._observer.warning(text)

    def flush(self) -> None:
        """See `Observer.flush`."""
        self._observer.flush()

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, in plain values."""
        return {"values": dict(self.values), "warnings": list(self._warnings)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; the observer is a new one, and hears the warnings again."""
        self.values = dict(state["values"])
        for text in state["warnings"]:
            self.warning(text)
