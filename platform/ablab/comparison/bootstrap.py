"""Pigeonhole bootstrap: subjects and seeds drawn again, each with replacement and independently.

A draw weighs score (s, k) by how often subject s was drawn times how often seed k was, so that all scores
of a subject, and all of a seed, come and go together (Owen 2007, "The pigeonhole bootstrap", Annals of
Applied Statistics 1, 386-411). With few seeds its intervals are too narrow, since K drawn seeds vary less
than K new ones by (K - 1)/K and no tail of Student's t is added: it describes and cross-checks, and decides
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 10_000
"""250 of them lie beyond either end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Weights of subjects and seeds in every draw; the same draws serve all matrices of one shape."""

    subjects: Floats
    """(n_draws, n_subjects), rows sum to one."""
    seeds: Floats
    """(n_draws, n_seeds), rows sum to one."""

    def means(self, values: Floats) -> Floats:
        """The mean of ``values``: (..., n_subjects, n_seeds) in every draw: (..., n_draws)."""
        by_seed = np.matmul(self.subjects, values)  # (..., n_draws, n_seeds)
        return np.asarray((by_seed * self.seeds).sum(axis=-1), dtype=np.float64)


def pigeonhole(n_subjects: int, n_seeds: int, n_draws: int = DRAWS, rng_seed: int = 0) -> Draws:
    """Draw; the same ``rng_seed`` gives the same draws."""
    rng = np.random.default_rng(rng_seed)
    return Draws(_weights(rng, n_subjects, n_draws), _weights(rng, n_seeds, n_draws))


def percentile_interval(means: Floats, alpha: float) -> tuple[float, float]:
    """The central 1 - ``alpha`` of the draws."""
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _weights(rng: np.random.Generator, n: int, n_draws: int) -> Floats:
    return np.asarray(rng.multinomial(n, np.full(n, 1 / n), size=n_draws) / n, dtype=np.float64)
