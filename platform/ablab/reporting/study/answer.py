"""The answer of a study in one sentence, and every word of it.

An honest answer says no more than the verdict: ``improves`` only where the declared contrast, with seeds
enough, has its interval above zero; everything else is exploratory, open, equivalent, or not tested. What a
reader has to know besides (networks below the linear model or chance, leaked segments) stands beside it as
remarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablab.comparison import figures
from ablab.comparison.factorial.effects import Contrast
from ablab.comparison.findings import Findings
from ablab.comparison.quasi_t import FEW_SEEDS
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Comparison, Effect, Row
from ablab.comparison.verdicts import compact
from ablab.designs.controls import is_control
from ablab.designs.placebos import is_placebo
from ablab.reporting import numbers

METRICS = {"test/pearson": "test r", "validation/pearson": "validation r"}
"""Metric -> its name in a sentence; any other stands as it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader takes home."""

    sentence: str
    remarks: tuple[str, ...] = ()
    """Each one sentence; what would mislead where it was left out."""


def answer(report: StudyReport) -> Answer:
    """The answer on the declared contrast."""
    comparison = report.comparison
    row = comparison.primary
    if row is None or row.effect is None:
        text = f"no contrast was declared, so nothing is confirmed{_highest(comparison)}."
        return Answer(_on_data(comparison, text), tuple(_remarks(comparison)))
    return Answer(
        _on_data(comparison, finding(row, row.effect, comparison, report.findings)),
        tuple(_remarks(comparison)),
    )


def _highest(comparison: Comparison) -> str:
    """The cell of the design with the highest mean; of a control that says nothing."""
    scored = [row for row in comparison.rows if row.own.mean is not None and not is_control(row.cell)]
    if not scored:
        return ""
    best = max(scored, key=lambda row: row.own.mean or 0.0)
    mean = numbers.plain(best.own.mean, 3)
    return f"; the highest {metric_name(comparison)} is {mean}, of {compact(best.label)}"


def metric_name(comparison: Comparison) -> str:
    """The metric as a sentence says it."""
    return METRICS.get(comparison.metric, comparison.metric)


def finding(row: Row, effect: Effect, comparison: Comparison, found: Findings | None = None) -> str:
    """What one contrast came to, and which factors carry it; a sentence that may stand behind a colon."""
    ours, theirs, metric = compact(row.label), compact(comparison.reference.label), metric_name(comparison)
    verdict, test = row.verdict, effect.test
    if verdict.kind == "not tested":
        return f"{ours} against {theirs} was not tested: {test.refused}."
    if verdict.kind == "identical":
        return f"{ours} and {theirs} score the same to the last digit: every difference is zero."
    size = _size(effect)
    if verdict.kind == "improved":
        text = f"{ours} improves {metric} by {size}"
    elif verdict.kind == "worse":
        text = f"{ours} lowers {metric} by {_size(effect, flipped=True)}"
    elif verdict.kind in ("higher", "lower"):
        where = "above" if verdict.kind == "higher" else "below"
        text = f"{ours} is {where} {theirs} in {metric} by {_size(effect, flipped=verdict.kind == 'lower')}"
    elif verdict.kind == "equivalent":
        limit = numbers.plain(comparison.sesoi, 3)
        text = (
            f"{ours} makes no difference to {metric} that matters: {numbers.signed(test.mean, 3)}, "
            f"{figures.level(2 * comparison.alpha)} interval "
            f"{numbers.interval(test.equivalence_low, test.equivalence_high, 3)} within ±{limit}"
        )
    else:
        does = "changes" if comparison.sesoi is None else "improves"  # not every metric has a good direction
        text = f"whether {ours} {does} {metric} is open: {_signed(effect)}"
    if verdict.size == "small" and verdict.kind != "equivalent":
        text += f", less than matters ({numbers.plain(comparison.sesoi, 3)})"
    if found is not None and verdict.kind in ("improved", "worse", "higher", "lower"):
        text += carried(found, rising=verdict.kind in ("improved", "higher"))
    if verdict.few_seeds:
        text = f"exploratory, with {effect.n_seeds} of the {FEW_SEEDS} seeds that a verdict needs: {text}"
    elif not verdict.declared:
        text = f"exploratory, not what was declared: {text}"
    return f"{text}."


def carried(found: Findings, *, rising: bool) -> str:
    """``: residual carries it, the gradient scale does nothing``; empty where no factor can be told apart.

    A factor carries the difference where the interval of its full level against its reference level, averaged
    over all combinations of the others, lies on the difference's side of zero; it does nothing where that
    interval includes zero and lies within the smallest effect of interest, little where it is as small and
    not zero; else what it does is open. Where what a factor does
    differs between being added alone and being left out last, an interaction, that is said.
    """
    depends = {each.factor for each in found.factorial.one_factor if each.interaction}
    sides: dict[str, list[str]] = {"with": [], "nothing": [], "little": [], "against": [], "open": []}
    moving = []
    for each in found.factorial.main:
        if each.full is not None:
            side = _side(each.full, rising=rising)
            name = each.name.replace("_", " ")
            is_idle = side in ("nothing", "little")
            sides[side].append(f"{name} on average" if is_idle and each.factors[0] in depends else name)
            if not is_idle and each.factors[0] in depends:
                moving.append(name)
    if not any(names for side, names in sides.items() if side != "open"):
        return ""
    parts = []
    if sides["with"]:
        parts.append(f"{_listed(sides['with'])} {_verb(sides['with'], 'carries', 'carry')} it")
    if sides["nothing"]:
        parts.append(f"{_listed(sides['nothing'])} {_verb(sides['nothing'], 'does', 'do')} nothing")
    if sides["little"]:
        parts.append(f"{_listed(sides['little'])} {_verb(sides['little'], 'does', 'do')} little")
    if sides["against"]:
        parts.append(f"{_listed(sides['against'])} {_verb(sides['against'], 'works', 'work')} against it")
    if sides["open"]:
        parts.append(f"what {_listed(sides['open'])} {_verb(sides['open'], 'does', 'do')} is open")
    if moving:
        parts.append(f"the gain of {_listed(moving)} depends on the others")
    return f": {', '.join(parts)}"


def _side(contrast: Contrast, *, rising: bool) -> str:
    test, kind = contrast.effect.test, contrast.verdict.kind
    if kind in ("equivalent", "identical"):
        return "nothing"
    if contrast.verdict.size == "small":
        return "little"
    if test.ci_low is None or test.ci_high is None or test.ci_low <= 0 <= test.ci_high:
        return "open"
    return "with" if (test.ci_low > 0) is rising else "against"


def _listed(names: Sequence[str]) -> str:
    """``the residual``, ``the residual and the mlp head``."""
    named = [f"the {name}" for name in names]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def _size(effect: Effect, *, flipped: bool = False) -> str:
    """``0.021 [0.012, 0.030]``; flipped, of a loss, with its sign taken away."""
    test = effect.test
    assert test.mean is not None and test.ci_low is not None and test.ci_high is not None
    mean, low, high = test.mean, test.ci_low, test.ci_high
    if flipped:
        mean, low, high = -mean, -high, -low
    return f"{numbers.plain(mean, 3)} {numbers.interval(low, high, 3, sign=False)}"


def _signed(effect: Effect) -> str:
    test = effect.test
    return f"{numbers.signed(test.mean, 3)} {numbers.interval(test.ci_low, test.ci_high, 3)}"


def _on_data(comparison: Comparison, text: str) -> str:
    """The sentence may be quoted alone, so it says itself where the recordings were made up."""
    if comparison.simulated:
        return f"On simulated listeners: {text}"
    named = any(text.startswith(compact(row.label)) for row in comparison.rows)
    return text if named else f"{text[0].upper()}{text[1:]}"


def _remarks(comparison: Comparison) -> list[str]:
    named = [row for row in (comparison.reference, comparison.primary) if row is not None]
    remarks = []
    networks = [row for row in comparison.rows if not is_placebo(row.cell)]
    below = [row for row in networks if row.below_floor]
    floor = numbers.plain(comparison.floor, 3)
    if below and len(below) == len(networks):
        remarks.append(f"No network reaches the linear model (ridge, {floor}).")
    elif below:
        which = " and ".join(compact(row.label) for row in named if row.below_floor)
        many = f"{len(below)} of {len(networks)} networks"
        listed = f"{which}; {many} in all" if which else many
        remarks.append(f"Below the linear model (ridge, {floor}): {listed}.")
    if comparison.floor is None and comparison.metric == "test/pearson":
        remarks.append(
            "Not set against the linear model, which is not fitted yet: ablab baseline run EXPERIMENT."
        )
    chance = [compact(row.label) for row in named if row.below_chance]
    if chance:
        limit = numbers.plain(comparison.chance, 3)
        remarks.append(f"Not above chance ({limit}): {' and '.join(chance)}; nothing can be concluded.")
    if comparison.accepted_leakage:
        reasons = "; ".join(comparison.accepted_leakage)
        remarks.append(f"Training segments stand again in validation or test; accepted because: {reasons}.")
    return remarks
