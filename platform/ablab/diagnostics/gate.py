"""Gate statistics: whether the gated residual lets the stack through, and how much it varies."""

from __future__ import annotations

from typing import ClassVar

from ablab.diagnostics.quantity import Moment, Need, Needs, Readings


class GateStatistics:
    """``gate/mean`` and ``gate/sd`` over the training batch's windows and channels.

    1 is the stack alone, 0 its input alone. Nothing without a gate. At the end the last values again.
    """

    needs: ClassVar[Needs] = {Moment.GRADIENT: frozenset({Need.GATE}), Moment.END: frozenset()}

    def __init__(self) -> None:
        self.last: dict[str, float] = {}

    def compute(self, readings: Readings) -> dict[str, float]:
        """See `Quantity.compute`."""
        if readings.moment is Moment.GRADIENT and (values := readings.values[Need.GATE]).size:
            self.last = {"gate/mean": float(values[0]), "gate/sd": float(values[1])}
        return self.last
