"""Every word in which a verdict on a claim is said."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ablab.comparison.claims_values import ClaimVerdict, Measured
from ablab.spec.claims import Claim, Claimed

_SIDE = {
    "CONFIRMED": "inside",
    "DIRECTION ONLY": "short of",
    "REFUTED": "outside",
    "INCONCLUSIVE": "neither inside nor outside",
    "INCONSISTENT": "outside",
}


def sentence(
    claim: Claim, measured: Measured, verdict: ClaimVerdict, alpha: float, numbers: Mapping[str, float]
) -> str:
    """The evidence behind a verdict, in one sentence; ``numbers`` are the source's own."""
    claimed = f"{_SIDE[verdict]} the claimed {span(claim.claimed)}"
    if measured.exact:
        return f"{_exactly(claim, measured, numbers)}, {claimed}."
    share = 1 - (2 * alpha if claim.test == "equivalence" else alpha)
    interval = f"{100 * share:.4g} % CI [{number(measured.low)}, {number(measured.high)}]"
    sample = f"{measured.n_seeds} seeds"
    if measured.n_subjects is not None:
        sample = f"{measured.n_subjects} subjects x {sample}"
    value = f"{number(measured.estimate)}, {interval} ({measured.statistic}, {sample})"
    return f"{value}, {claimed}{_direction(measured, verdict)}."


def span(claimed: Claimed) -> str:
    """A claimed value or interval.

    >>> span(Claimed(above=0.1)), span(Claimed(value=0.36, tolerance=0.005))
    ('> 0.1', '0.36 ± 0.005')
    """
    if claimed.value is not None:
        rounding = f" ± {number(claimed.tolerance)}" if claimed.tolerance else ""
        return f"{number(claimed.value)}{rounding}"
    if math.isinf(claimed.high):
        return f"> {number(claimed.low)}"
    if math.isinf(claimed.low):
        return f"< {number(claimed.high)}"
    return f"{number(claimed.low)} to {number(claimed.high)}"


def number(value: float) -> str:
    """Four significant digits; large counts in full.

    >>> number(15521793.0), number(0.09677), number(50.0)
    ('15,521,793', '0.09677', '50')
    """
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _exactly(claim: Claim, measured: Measured, numbers: Mapping[str, float]) -> str:
    quantity = claim.quantity
    if quantity.kind == "arithmetic":
        return f"{in_figures(quantity.expression, numbers)} = {number(measured.estimate)}"
    assert quantity.kind == "parameters"
    if quantity.minus is None:
        return f"{number(measured.estimate)} parameters counted in {quantity.arm}"
    more = "fewer" if measured.estimate < 0 else "more"
    size = abs(measured.estimate)
    size_text = f"{number(100 * size)} %" if quantity.relative else number(size)
    return f"{quantity.arm} counts {size_text} {more} parameters than {quantity.minus}"


def in_figures(expression: str, numbers: Mapping[str, float]) -> str:
    """An expression with the numbers in the place of their names.

    >>> in_figures("front / head - 1", {"front": 0.3, "head": 0.22})
    '0.3 / 0.22 - 1'
    """
    return re.sub(r"[A-Za-z_]\w*", lambda name: f"{numbers[name[0]]:g}", expression)


def _direction(measured: Measured, verdict: ClaimVerdict) -> str:
    nothing = measured.no_effect
    if nothing is None or verdict not in ("INCONCLUSIVE", "DIRECTION ONLY"):
        return ""
    if measured.low > nothing or measured.high < nothing:
        side = "above" if measured.low > nothing else "below"
        return f", yet {side} no effect ({number(nothing)})"
    return ""
