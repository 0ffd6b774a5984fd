"""A ledger and, where there is one, a study -> a verdict on every claim. Pure.

    CONFIRMED        the interval lies wholly inside the claim
    DIRECTION ONLY   an effect in the claimed direction, wholly short of the claimed size
    REFUTED          the interval excludes the claim
    INCONCLUSIVE     anything else that was measured
    NOT TESTABLE     undefined, not measured, or the wrong data: simulated data never decide performance
    INCONSISTENT     the source's own arithmetic contradicts it

Without a study only arithmetic and counts are checked, which needs nothing but this module: what measures
runs is imported where there are runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablab.comparison.claims_values import CheckedClaim, ClaimsReport, ClaimVerdict, Measured
from ablab.comparison.claims_words import sentence
from ablab.spec.claims import Arithmetic, Claim, Claimed, Ledger, Parameters
from ablab.spec.expression import evaluate

if TYPE_CHECKING:
    from ablab.comparison.claims_evidence import StudyEvidence

FEW_SEEDS = 5
"""Fewer are exploratory, as in comparisons (``comparison.quasi_t``, not imported for its scipy)."""
_ROUNDING = 1e-9
"""Relative; 0.3 / 0.22 in binary is not to decide whether a claim's end is met."""


def check_claims(ledger: Ledger, study: StudyEvidence | None = None, *, alpha: float = 0.05) -> ClaimsReport:
    """Check every claim of the ledger; without ``study``, those that need no run."""
    checked, waiting = [], 0
    for name, claim in ledger.claims.items():
        if claim.data == "none":
            checked.append(_from_numbers(name, claim, ledger))
        elif study is None:
            waiting += 1
        else:
            checked.append(_from_runs(name, claim, ledger, study, alpha))
    return ClaimsReport(
        ledger=ledger.name,
        source=ledger.source,
        study=None if study is None else study.study,
        simulated=study is not None and study.simulated,
        alpha=alpha,
        claims=tuple(checked),
        not_checked=waiting,
        notes=() if study is None else study.notes,
    )


def decide(claimed: Claimed, measured: Measured) -> ClaimVerdict:
    """The verdict that follows from a claim and an interval.

    >>> decide(Claimed(above=0.07), Measured(0.02, 0.01, 0.03, "crossed quasi-t", 5, no_effect=0.0))
    'DIRECTION ONLY'
    """
    low, high = claimed.low - _slack(claimed.low), claimed.high + _slack(claimed.high)
    nothing = measured.no_effect
    if measured.low == measured.high == nothing and nothing in (claimed.above, claimed.below):
        return "REFUTED"  # identical arms bear out no gain, although 0 is an end of "above 0"
    if low <= measured.low and measured.high <= high:
        return "CONFIRMED"
    if not (measured.high < low or high < measured.low):
        return "INCONCLUSIVE"
    if nothing is not None:
        short_of_a_rise = nothing <= claimed.low and nothing < measured.low and measured.high < low
        short_of_a_fall = claimed.high <= nothing and measured.high < nothing and high < measured.low
        if short_of_a_rise or short_of_a_fall:
            return "DIRECTION ONLY"
    return "REFUTED"


def _slack(end: float) -> float:
    return abs(end) * _ROUNDING if abs(end) != float("inf") else 0.0


def _from_numbers(name: str, claim: Claim, ledger: Ledger) -> CheckedClaim:
    """A claim that arithmetic or a count decides."""
    quantity = claim.quantity
    if isinstance(quantity, Arithmetic):
        value, statistic = evaluate(quantity.expression, ledger.numbers), "arithmetic"
    else:
        assert isinstance(quantity, Parameters)
        value, statistic = _counted(quantity, ledger), "count"
    measured = Measured(value, value, value, statistic)
    verdict = decide(claim.claimed, measured)
    if verdict == "REFUTED" and statistic == "arithmetic":
        verdict = "INCONSISTENT"
    evidence = sentence(claim, measured, verdict, 0.0, ledger.numbers)
    return CheckedClaim(name, claim, verdict, evidence, measured)


def _counted(quantity: Parameters, ledger: Ledger) -> float:
    count = ledger.parameters[quantity.arm]
    if quantity.minus is None:
        return float(count)
    other = ledger.parameters[quantity.minus]
    return (count - other) / other if quantity.relative else float(count - other)


def _from_runs(name: str, claim: Claim, ledger: Ledger, study: StudyEvidence, alpha: float) -> CheckedClaim:
    """A claim that the study's runs decide."""
    if claim.data == "real" and study.simulated:
        reason = "the study's data are simulated, and those never decide performance."
        return CheckedClaim(name, claim, "NOT TESTABLE", reason)
    measured = study.measure(claim, ledger, alpha)
    if isinstance(measured, str):
        return CheckedClaim(name, claim, "NOT TESTABLE", f"{measured}.")
    verdict = decide(claim.claimed, measured)
    few = measured.n_seeds is not None and measured.n_seeds < FEW_SEEDS
    evidence = sentence(claim, measured, verdict, alpha, ledger.numbers)
    return CheckedClaim(name, claim, verdict, evidence, measured, few)
