"""The guide's own weight change, for comparison with its figures; not a measure of learning."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings
from ablab.models.decoder import STACK

_REFERENCE_STEP = 100
"""The guide's first histogram event."""


class GuideWeightChange:
    """``weights/guide_change``: mean over the first block's tensors of |s_t - s_ref| / s_ref.

    s = (max - min) / 2 of a tensor. The reference is the first observed step from 100 on; before it, and at
    it, the first observed step. Tensors with s_ref = 0 have no relative change and do not count. Without
    blocks nothing is reported.
    """

    needs: ClassVar[Needs] = {
        Moment.UPDATE: frozenset({Need.SPREAD}),
        Moment.END: frozenset({Need.SPREAD}),
    }

    def __init__(self) -> None:
        self.first: NDArray[np.float64] | None = None
        self.reference: NDArray[np.float64] | None = None

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        tensors = readings.layout.groups.get(f"{STACK}.0")
        if tensors is None:
            return {}
        spread = readings.values[Need.SPREAD][tensors]
        reference = self.first
        if self.reference is not None and not np.array_equal(self.reference, spread):
            reference = self.reference
        if readings.moment is Moment.UPDATE:
            if self.first is None:
                self.first = spread
            if self.reference is None and readings.step >= _REFERENCE_STEP:
                self.reference = spread
        if reference is None or not (known := reference > 0).any():
            return {}
        change = np.abs(spread[known] - reference[known]) / reference[known]
        return {"weights/guide_change": float(change.mean())}
