"""A test r against what it has to beat: chance, and the linear model. Said first wherever it does not."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.values import Comparison, Row
from ablab.designs.controls import is_control


def standing(name: str, r: float, *, chance: float | None, ridge: float | None) -> str:
    """One sentence; in capitals what is not beaten.

    chance: 95th percentile of the circular-shift null. ridge: test r of the linear model on the same split.
    None where it is not known.

    >>> standing("small", 0.12, chance=0.05, ridge=0.144)
    'small DOES NOT BEAT the ridge (.1440): test r .1200; above chance (.0500).'
    >>> standing("small", 0.2, chance=0.05, ridge=None)
    'small beats chance (.0500): test r .2000; ridge not known.'
    """
    limits = {"chance": chance, "the ridge": ridge}
    known = {each: limit for each, limit in limits.items() if limit is not None}
    below = {each: limit for each, limit in known.items() if r <= limit}
    above = {each: limit for each, limit in known.items() if r > limit}
    unknown = [each.removeprefix("the ") for each, limit in limits.items() if limit is None]
    rest = [f"above {_listed(above, 'and')}"] if below and above else []
    rest += [f"{' and '.join(unknown)} not known"] if unknown else []
    if below:
        finding = f"{name} DOES NOT BEAT {_listed(below, 'or')}: test r {figures.plain(r)}"
    elif above:
        finding = f"{name} beats {_listed(above, 'and')}: test r {figures.plain(r)}"
    else:
        finding = f"{name}: test r {figures.plain(r)}"
    return "; ".join([finding, *rest]) + "."


def shortfall(comparison: Comparison) -> str:
    """The sentence that a report opens with where not even the best cell beats chance and the ridge.

    Empty where one does, where neither is known, and of another metric than the test r.
    """
    scored = [
        (row.own.mean, row)
        for row in comparison.rows
        if row.own.mean is not None and not is_control(row.cell)
    ]
    if not scored:
        return ""
    r, best = max(scored, key=lambda each: each[0])
    limits = [limit for limit in (comparison.chance, comparison.floor) if limit is not None]
    if all(r > limit for limit in limits):
        return ""
    return standing(_name(best, len(scored)), r, chance=comparison.chance, ridge=comparison.floor)


def _name(best: Row, n_cells: int) -> str:
    label = best.label.replace(" · ", "·")
    return label if n_cells == 1 else f"The best of {n_cells} cells, {label},"


def _listed(limits: dict[str, float], joint: str) -> str:
    return f" {joint} ".join(f"{each} ({figures.plain(limit)})" for each, limit in limits.items())
