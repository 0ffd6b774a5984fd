"""Every word in which a verdict on a mechanism is said."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.mechanism_values import Change, Contribution, Evidence, MechanismKind
from ablab.comparison.values import MeanTest
from ablab.spec.grid import Analysis

METRIC = {"test/pearson": "test r", "validation/pearson": "validation r"}

MEANING: dict[MechanismKind, str] = {
    "REAL": "what it contributes lies above the smallest effect of interest",
    "COSMETIC": "its gradient ratio rose; updates, drift and contribution stayed",
    "MOVED, NOT USED": "its weights drifted; what it contributes is equivalent to zero",
    "UNRESOLVED": "none of the others is shown",
}


def sentence(evidence: Evidence, kind: MechanismKind, analysis: Analysis) -> str:
    """The evidence behind a verdict, in one sentence."""
    contribution = evidence.contribution
    parts = []
    if kind == "UNRESOLVED":
        parts.append(_why_unresolved(evidence, analysis))
    if contribution is not None:
        parts.append(f"{_contribution(contribution, kind, analysis)}{_against_reference(evidence, kind)}")
    parts += [
        f"{name} {_change(change)}"
        for name, change in (
            ("gradient ratio", evidence.ratio),
            ("update ratio", evidence.update),
            ("drift", evidence.drift),
        )
        if change is not None
    ]
    return "; ".join(part for part in parts if part) + "."


def _contribution(contribution: Contribution, kind: MechanismKind, analysis: Analysis) -> str:
    test = contribution.test
    sesoi = figures.plain(analysis.sesoi, 3)
    text = f"{contribution.source} {figures.signed(test.mean)} in {METRIC[contribution.metric]}"
    if test.ci_low is None:
        return f"{text} (not tested: {test.refused})"
    limits = figures.interval(test.ci_low, test.ci_high, 4)
    side = _side(test, kind, analysis.sesoi)
    return f"{text}, {figures.level(analysis.alpha)} CI {limits}, {side} {sesoi}"


def _side(test: MeanTest, kind: MechanismKind, sesoi: float) -> str:
    assert test.ci_low is not None
    if test.ci_low > sesoi:
        return "above"
    low, high = test.equivalence_low, test.equivalence_high
    if low is not None and high is not None and -sesoi < low and high < sesoi:
        return "equivalent to zero within"
    return "within noise, yet not shown to be within" if kind == "COSMETIC" else "neither above nor within"


def _against_reference(evidence: Evidence, kind: MechanismKind) -> str:
    """What the reference's part contributes, for the change is not to be credited with it."""
    before = evidence.reference_contribution
    if before is None:
        return " (the reference's is not known)" if kind == "REAL" else ""
    text = f" (reference {figures.signed(before.test.mean)}"
    gain = evidence.gain
    if gain is None or gain.ci_low is None or gain.ci_high is None:
        return text + ")"
    text += f", gain {figures.interval(gain.ci_low, gain.ci_high, 4)}"
    if kind == "REAL" and gain.ci_low <= 0:
        text += ": not shown to be the change's doing"
    return text + ")"


def _change(change: Change) -> str:
    limits = f"[x{change.low:.3g}, x{change.high:.3g}]"
    return f"{change.reference:.3g} -> {change.treatment:.3g} (x{change.factor:.3g} {limits})"


def _why_unresolved(evidence: Evidence, analysis: Analysis) -> str:
    if evidence.n_seeds < 3:
        return f"{figures.plural(evidence.n_seeds, 'seed')} in both cells, and a verdict needs 3"
    contribution = evidence.contribution
    if contribution is None:
        return "nothing measures what it contributes"
    if contribution.n_seeds < 3:
        return f"its contribution is known for {figures.plural(contribution.n_seeds, 'seed')}, not for 3"
    return ""
