"""Holm's step-down adjustment of a family of p values."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p values in the order given; None stays None and counts for nothing.

    Rejecting where the adjusted p is below alpha keeps the chance of any false positive in the family below
    alpha, whatever depends on what (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[index] = highest
    return tuple(adjusted)
