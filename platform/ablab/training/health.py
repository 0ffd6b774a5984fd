"""Signs that a person should look at a running trial. They warn, once per kind, and never stop anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

HEALTHY_NORM = (1.0, 10.0)
"""Between these the guide wants ``Gradient/norm`` to stay."""

PATIENCE = 10
"""Evaluations without a rise of validation r before a warning; at the default pace 100 epochs."""


class Health:
    """Remembers what the warnings need from one evaluation to the next.

    >>> Health().at_evaluation(epoch=10, validation_r=0.1, norms=[0.2, 0.4, 0.3])[0][:50]
    'Gradient/norm 0.3 (median up to epoch 10) is below'
    """

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._best = -math.inf
        self._since_best = 0
        self._warned: set[str] = set()

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, in plain values."""
        return {"best": self._best, "since_best": self._since_best, "warned": sorted(self._warned)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._best, self._since_best = state["best"], state["since_best"]
        self._warned = set(state["warned"])

    def at_evaluation(self, *, epoch: int, validation_r: float, norms: Sequence[float]) -> list[str]:
        """Warnings that are new at this evaluation; ``norms`` are the gradient norms since the last one."""
        found = dict([*self._norm(epoch, norms), *self._stagnation(epoch, validation_r)])
        new = [text for kind, text in found.items() if kind not in self._warned]
        self._warned.update(found)
        return new

    def _norm(self, epoch: int, norms: Sequence[float]) -> list[tuple[str, str]]:
        if not norms:
            return []
        low, high = HEALTHY_NORM
        middle = median(norms)
        if middle < low:
            advice = "the learning signal is weak by the guide's measure; under Adam that alone is no fault"
            return [
                ("low", f"Gradient/norm {middle:.3g} (median up to epoch {epoch}) is below {low:g}: {advice}")
            ]
        if middle > high:
            advice = "try training.clip_norm=1.0 or a lower training.learning_rate"
            return [
                (
                    "high",
                    f"Gradient/norm {middle:.3g} (median up to epoch {epoch}) is above {high:g}: {advice}",
                )
            ]
        return []

    def _stagnation(self, epoch: int, validation_r: float) -> list[tuple[str, str]]:
        if validation_r > self._best:
            self._best, self._since_best = validation_r, 0
            return []
        self._since_best += 1
        if self._since_best < self._patience:
            return []
        text = (
            f"validation r has not risen for {self._since_best} evaluations (epoch {epoch}, "
            f"best {self._best:.4f}): the best checkpoint is kept; more epochs may be wasted"
        )
        return [("stagnation", text)]
