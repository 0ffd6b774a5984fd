"""What accuracy guessing reaches: the binomial distribution's upper end. Pure numpy."""

from __future__ import annotations

import numpy as np


def guessing_bound(n_trials: int, chance: float, alpha: float = 0.05) -> float:
    """The accuracy that guessing exceeds with a probability of at most ``alpha``.

    n_trials: independent decisions, at least 1. chance: probability of a right guess, between 0 and 1.

    It is k / n_trials for the smallest k with P(X > k) <= alpha, X binomial.

    >>> guessing_bound(20, 0.5)
    0.7
    """
    if n_trials < 1 or not 0 < chance < 1:
        raise ValueError(
            f"{n_trials} decisions at chance {chance}; it needs at least one, and a chance in (0, 1)"
        )
    counts = np.arange(n_trials)
    # log P(X = k + 1) - log P(X = k); logarithms, because P(X = 0) of a long test is below any float.
    steps = np.log(n_trials - counts) - np.log(counts + 1) + np.log(chance) - np.log1p(-chance)
    log_mass = np.concatenate([[0.0], np.cumsum(steps)]) + n_trials * np.log1p(-chance)
    # Summed from the small end, so that the tail keeps its digits.
    above = np.cumsum(np.exp(log_mass)[::-1])[::-1]
    exceeding = np.append(above[1:], 0.0)
    return int(np.argmax(exceeding <= alpha)) / n_trials
