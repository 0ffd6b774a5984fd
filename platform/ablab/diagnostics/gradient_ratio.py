"""Gradient ratio: RMS gradient of the front group over RMS gradient of the head."""

from __future__ import annotations

import math
from statistics import fmean
from typing import ClassVar

from ablab.diagnostics.gradient_rms import rms
from ablab.diagnostics.layout import HEAD
from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class GradientRatio:
    """``gradient/ratio``, and ``gradient/ratio_unscaled`` with the known gradient scale divided out.

    At the end the last values again, and ``gradient/ratio_mean`` over all observed steps.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.GRADIENT_NORM}), Moment.END: frozenset()}

    def __init__(self) -> None:
        self._ratios: list[float] = []
        self._last: dict[str, float] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if readings.moment is Moment.END:
            mean = {"gradient/ratio_mean": fmean(self._ratios)} if self._ratios else {}
            return self._last | mean
        layout = readings.layout
        ratio = quotient(rms(readings, layout.groups[layout.front]), rms(readings, layout.groups[HEAD]))
        if math.isfinite(ratio):
            self._ratios.append(ratio)
        self._last = {
            "gradient/ratio": ratio,
            "gradient/ratio_unscaled": ratio / layout.scale_of(layout.front),
        }
        return self._last
