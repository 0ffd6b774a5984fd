"""Path efficiency: the way a layer group's weights have gained, over the way they have walked."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class PathEfficiency:
    """``path_efficiency/<group>``: ||w_t - w_0|| / sum of ||w_b - w_a|| over the observed intervals.

    The intervals join the start, every observed step and the end. A straight line over many steps is never
    longer than the steps, so the value is an upper bound of the efficiency over single steps, and one over
    few intervals says little: it is 1 for a single interval and reported from the second on. Zero-gradient
    biases are left out.
    """

    needs: ClassVar[Needs] = {
        Moment.UPDATE: frozenset({Need.DRIFT_NORM, Need.INTERVAL_NORM}),
        Moment.END: frozenset({Need.DRIFT_NORM, Need.INTERVAL_NORM}),
    }

    def __init__(self) -> None:
        self.walked: dict[str, float] = {}
        self.intervals: dict[str, int] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        efficiency = {}
        for group, tensors in readings.layout.moving.items():
            if (length := readings.norm(Need.INTERVAL_NORM, tensors)) > 0:
                self.walked[group] = self.walked.get(group, 0.0) + length
                self.intervals[group] = self.intervals.get(group, 0) + 1
            if self.intervals.get(group, 0) > 1:
                gained = readings.norm(Need.DRIFT_NORM, tensors)
                efficiency[f"path_efficiency/{group}"] = quotient(gained, self.walked[group])
        return efficiency
