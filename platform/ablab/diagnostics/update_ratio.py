"""Update ratio: how far one update moves a layer group, relative to its size."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient
from ablab.diagnostics.running_mean import RunningMeans


class UpdateRatio:
    """``update_ratio/<group>``: ||w_{t+1} - w_t|| / ||w_t||, zero-gradient biases left out.

    At the end ``update_ratio_mean/<group>``, the mean over all observed steps.
    """

    needs: ClassVar[Needs] = {
        Moment.UPDATE: frozenset({Need.UPDATE_NORM, Need.WEIGHT_NORM}),
        Moment.END: frozenset(),
    }

    def __init__(self) -> None:
        self.means = RunningMeans()

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if readings.moment is Moment.END:
            return {f"update_ratio_mean/{group}": value for group, value in self.means.values().items()}
        ratios = {
            group: quotient(
                readings.norm(Need.UPDATE_NORM, tensors), readings.norm(Need.WEIGHT_NORM, tensors)
            )
            for group, tensors in readings.layout.moving.items()
        }
        self.means.add(ratios)
        return {f"update_ratio/{group}": ratio for group, ratio in ratios.items()}
