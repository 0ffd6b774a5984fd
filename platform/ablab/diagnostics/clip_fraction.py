"""Clip fraction: in how many steps the gradient was longer than the clipping norm."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class ClipFraction:
    """``gradient/clip_fraction``: share of the steps since the previous observed one that were clipped.

    At the end the share of all steps. Nothing where gradients are not clipped.
    """

    needs: ClassVar[Needs] = {
        Moment.GRADIENT: frozenset({Need.CLIPPED}),
        Moment.END: frozenset({Need.CLIPPED}),
    }

    def __init__(self) -> None:
        self.steps = 0.0
        self.clipped = 0.0

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if not (counts := readings.values[Need.CLIPPED]).size:
            return {}
        steps, clipped = (float(count) for count in counts)
        if readings.moment is Moment.END:
            return {"gradient/clip_fraction": quotient(clipped, steps)}
        fraction = quotient(clipped - self.clipped, steps - self.steps)
        self.steps, self.clipped = steps, clipped
        return {"gradient/clip_fraction": fraction}
