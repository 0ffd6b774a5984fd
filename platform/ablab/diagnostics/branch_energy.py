"""Branch energies: how loud the stack and its input are where the residual joins them."""

from __future__ import annotations

import math
from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings, quotient


class BranchEnergy:
    """``branch/stack_rms``, ``branch/input_rms`` and ``branch/stack_share`` of the summed energy.

    As they enter the sum: with a gate, g * stack and (1 - g) * input. A loud branch need not be a useful one.
    Nothing without a residual, where there is no second branch. At the end the last values again.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.BRANCHES}), Moment.END: frozenset()}

    def __init__(self) -> None:
        self.last: dict[str, float] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if readings.moment is Moment.GRADIENT and (energies := readings.values[Need.BRANCHES]).size:
            stack, skipped = (float(energy) for energy in energies)
            self.last = {
                "branch/stack_rms": math.sqrt(stack),
                "branch/input_rms": math.sqrt(skipped),
                "branch/stack_share": quotient(stack, stack + skipped),
            }
        return self.last
