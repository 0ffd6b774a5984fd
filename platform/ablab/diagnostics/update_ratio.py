"""Update ratio: how far one update moves a layer group, relative to its size."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class UpdateRatio:
    """``update_ratio/<group>``: ||w_{t+1} - w_t|| / ||w_t||, zero-gradient biases left out."""

    needs: ClassVar[Needs] = {Moment.UPDATE: frozenset({Need.UPDATE_NORM, Need.WEIGHT_NORM})}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        return {
            f"update_ratio/{group}": quotient(
                readings.norm(Need.UPDATE_NORM, tensors), readings.norm(Need.WEIGHT_NORM, tensors)
            )
            for group, tensors in readings.layout.moving.items()
        }
