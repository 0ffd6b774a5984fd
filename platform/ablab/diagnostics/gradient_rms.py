"""RMS gradient of every layer group, as it is and with the known gradient scale divided out."""

from __future__ import annotations

import math
from typing import ClassVar

from ablab.diagnostics.layout import Indices
from ablab.diagnostics.quantity import Moment, Need, Needs, Readings


class GradientRms:
    """``gradient/rms/<group>`` and ``gradient/rms_unscaled/<group>``: ||g|| / sqrt(number of elements).

    The factor is known only for groups whose whole gradient passes through it; for the others, reached by
    the fusion's other branch as well, the unscaled value is left out.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.GRADIENT_NORM})}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        layout = readings.layout
        values = {group: rms(readings, tensors) for group, tensors in layout.groups.items()}
        unscaled = {group: values[group] / layout.gradient_scale for group in layout.scaled}
        return {f"gradient/rms/{group}": value for group, value in values.items()} | {
            f"gradient/rms_unscaled/{group}": value for group, value in unscaled.items()
        }


def rms(readings: Readings, tensors: Indices) -> float:
    """RMS gradient over all elements of several parameter tensors."""
    n_elements = float(readings.layout.sizes[tensors].sum())
    return readings.norm(Need.GRADIENT_NORM, tensors) / math.sqrt(n_elements)
