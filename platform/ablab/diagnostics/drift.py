"""Drift: how far a layer group's weights have moved since before the first step."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class Drift:
    """``weights/drift/<group>``: ||w_t - w_0|| / ||w_0||, zero-gradient biases left out.

    ``weights/front_change`` is the drift of the front group under a name that all architectures share.
    """

    needs: ClassVar[Needs] = {
        Moment.UPDATE: frozenset({Need.DRIFT_NORM, Need.INITIAL_NORM}),
        Moment.END: frozenset({Need.DRIFT_NORM, Need.INITIAL_NORM}),
    }

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        layout = readings.layout
        drift = {
            group: quotient(
                readings.norm(Need.DRIFT_NORM, tensors), readings.norm(Need.INITIAL_NORM, tensors)
            )
            for group, tensors in layout.moving.items()
        }
        named = {f"weights/drift/{group}": value for group, value in drift.items()}
        return named | {"weights/front_change": drift[layout.front]}
