"""Means over the observed steps of a run, by name. Holds plain numbers, so that a run can be resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class RunningMeans:
    """Sum and count per name; what is not finite does not count.

    >>> means = RunningMeans()
    >>> means.add({"a": 1.0})
    >>> means.add({"a": 2.0, "b": math.nan})
    >>> means.values()
    {'a': 1.5}
    """

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, values: Mapping[str, float]) -> None:
        """Count one value per name."""
        for name, value in values.items():
            if math.isfinite(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1

    def values(self) -> dict[str, float]:
        """The means."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}
