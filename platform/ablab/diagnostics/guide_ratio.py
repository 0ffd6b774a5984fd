"""The guide's own gradient ratio, for comparison with its figures; not a measure of learning."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class GuideRatio:
    """``gradient/guide_ratio``: mean peak |g| over the first two blocks' tensors over that of the head.

    The peak of a tensor is max(|min|, |max|). Every tensor of the head counts, also of an MLP head. With one
    block that block alone; without blocks the ratio is not defined and not reported.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.GRADIENT_PEAK}), Moment.END: frozenset()}

    def __init__(self) -> None:
        self.last: dict[str, float] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        layout = readings.layout
        if readings.moment is Moment.GRADIENT and layout.guide_front.size:
            peaks = readings.values[Need.GRADIENT_PEAK]
            front, head = (
                float(peaks[layout.guide_front].mean()),
                float(peaks[layout.groups[layout.head]].mean()),
            )
            self.last = {"gradient/guide_ratio": quotient(front, head)}
        return self.last
