"""When a gate may look at its result: how many seeds at each look, and what alpha each is allowed.

Every look that may end the gate costs some of its error: alpha is divided evenly over the declared looks
(Bonferroni), which holds whatever the dependence between looks that share seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablab.spec.regression import Regression


def sizes(regression: Regression, available: int) -> tuple[int, ...]:
    """Seeds at each look, rising; ``available``: how many the baseline has. Later looks may fall away.

    >>> sizes(Regression(name="a", experiment="e", baseline="b", max_seeds=9, looks=3), 20)
    (3, 6, 9)
    """
    first = len(regression.seeds)
    last = max(first, min(regression.max_seeds or first, available))
    steps = regression.looks - 1
    planned = (first + round((last - first) * look / steps) if steps else first for look in range(steps + 1))
    return tuple(dict.fromkeys(planned))


def seeds_in_order(regression: Regression, of_baseline: Sequence[int]) -> tuple[int, ...]:
    """The declared seeds, then the baseline's others by rising number: those that are added."""
    return (*regression.seeds, *sorted(set(of_baseline) - set(regression.seeds)))


def alpha_of_look(regression: Regression) -> float:
    """One-sided alpha of a single look."""
    return regression.alpha / regression.looks
