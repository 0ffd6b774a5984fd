"""Gradient ratio: RMS gradient of a group, above all of the front group, over RMS gradient of the head."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.gradient_rms import rms
from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient
from ablab.diagnostics.running_mean import RunningMeans


class GradientRatio:
    """``gradient/ratio``, and ``gradient/ratio_unscaled`` with the known gradient scale divided out.

    At the end the last values again, ``gradient/ratio_mean`` over all observed steps, since one batch says
    little, and the same of every group but the head: ``gradient/ratio_mean/<group>``.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.GRADIENT_NORM}), Moment.END: frozenset()}

    def __init__(self) -> None:
        self.means = RunningMeans()
        self.last: dict[str, float] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if readings.moment is Moment.END:
            return self.last | self.means.values()
        layout = readings.layout
        head = rms(readings, layout.groups[layout.head])
        ratios = {
            group: quotient(rms(readings, tensors), head)
            for group, tensors in layout.groups.items()
            if group != layout.head
        }
        ratio = ratios.get(layout.front, 1.0)
        self.means.add({"gradient/ratio_mean": ratio})
        self.means.add({f"gradient/ratio_mean/{group}": value for group, value in ratios.items()})
        self.last = {
            "gradient/ratio": ratio,
            "gradient/ratio_unscaled": ratio / layout.scale_of(layout.front),
        }
        return self.last
