"""Variance budget: how much paired differences vary by subject, by seed, and otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.quasi_t import mean_squares

Source = Literal["subjects", "seeds", "residual"]


@dataclass(frozen=True, slots=True)
class Components:
    """Standard deviations of the two-way random model; never negative."""

    sd_subject: float
    sd_seed: float
    sd_residual: float

    def shares(self, n_subjects: int, n_seeds: int) -> dict[Source, float]:
        """Share of each source in the variance of the mean; all 0 where nothing varies.

        >>> shares = Components(0.0, 0.02, 0.04).shares(8, 2)
        >>> {source: round(share, 3) for source, share in shares.items()}
        {'subjects': 0.0, 'seeds': 0.667, 'residual': 0.333}
        """
        parts: dict[Source, float] = {
            "subjects": self.sd_subject**2 / n_subjects,
            "seeds": self.sd_seed**2 / n_seeds,
            "residual": self.sd_residual**2 / (n_subjects * n_seeds),
        }
        total = sum(parts.values())
        return {source: part / total if total else 0.0 for source, part in parts.items()}

    def limiting(self, n_subjects: int, n_seeds: int) -> Source | None:
        """The source that contributes most to the interval; None where nothing varies."""
        shares = self.shares(n_subjects, n_seeds)
        source = max(shares, key=lambda name: shares[name])
        return source if shares[source] else None


def components(differences: NDArray[np.float64]) -> Components:
    """Method-of-moments estimates from ``differences``: (n_subjects, n_seeds), at least two of each.

    A negative estimate is set to zero. Where neither subject nor seed varies more than chance explains,
    all variation is residual.
    """
    n_subjects, n_seeds = differences.shape
    squares = mean_squares(np.asarray(differences, dtype=np.float64))
    residual = float(squares.residual)
    return Components(
        sd_subject=float(np.sqrt(max(0.0, float(squares.subject) - residual) / n_seeds)),
        sd_seed=float(np.sqrt(max(0.0, float(squares.seed) - residual) / n_subjects)),
        sd_residual=float(np.sqrt(residual)),
    )
