"""How recordings are cut in time and brought to one scale: by what is trained on, never by the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def time_cuts(n_times: int) -> dict[str, slice]:
    """The 80/10/10 split in time.

    >>> time_cuts(1000)["val"]
    slice(800, 900, None)
    """
    first, second = n_times * 8 // 10, n_times * 9 // 10
    return {"train": slice(0, first), "val": slice(first, second), "test": slice(second, n_times)}


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and SD of each column of a training signal."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, train: NDArray[Any]) -> Scale:
        """train: ``(n_times, n_columns)``."""
        mean, deviation = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
        # A constant column stays constant instead of becoming NaN or noise, so that the checks can name it.
        constant = (train == train[:1]).all(axis=0)
        return cls(np.where(constant, train[0], mean), np.where(constant, 1.0, deviation))

    def z_scored(self, signal: NDArray[Any]) -> NDArray[np.float32]:
        """``signal`` in SDs from the mean, column by column; C-contiguous."""
        return np.ascontiguousarray((signal - self.mean) / self.deviation, dtype=np.float32)
