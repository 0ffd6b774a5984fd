"""What an effect amounts to, and every word in which that is said.

Verdicts, in this order: identical (all differences zero); improved or worse (the 1 - alpha interval
excludes zero), relevant where the interval lies wholly beyond the smallest effect of interest (SESOI),
small where it is nonetheless equivalent; equivalent (the 1 - 2 alpha interval lies inside +-SESOI, which is
two one-sided tests at alpha); else inconclusive, with the seeds that would decide.

"improved" and "worse" need a correlation (a metric whose direction is known) and at least five
seeds; otherwise the words are "higher" and "lower", and with few seeds every verdict is exploratory.
"""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.power import MOST_SEEDS
from ablab.comparison.quasi_t import FEW_SEEDS, LEAST_SEEDS
from ablab.comparison.standing import shortfall
from ablab.comparison.values import Comparison, Effect, Verdict, VerdictKind

REFERENCE = Verdict("reference")

NO_PAIRS = "no subject was scored in both arms under the same seed"
ONE_SEED = (
    "one seed shows nothing of how much trainings differ, so no test is possible; "
    f"run {FEW_SEEDS} seeds or more"
)
TWO_SEEDS = (
    "two seeds say too little of how much trainings differ, "
    f"at least {LEAST_SEEDS} are needed to test at all; run {FEW_SEEDS} seeds or more"
)
ONE_SUBJECT = "one subject shows nothing of how much subjects differ, so no test is possible"

FEW_SEEDS_LABELS: dict[VerdictKind, str] = {
    "identical": "exploratory, same",
    "higher": "exploratory, up",
    "lower": "exploratory, down",
    "equivalent": "exploratory, flat",
    "inconclusive": "exploratory, open",
}
SIZED_LABELS = {
    ("improved", "relevant"): "relevant gain",
    ("improved", "small"): "small gain",
    ("worse", "relevant"): "relevant loss",
    ("worse", "small"): "small loss",
}
LEGEND = {
    "exploratory, up": "interval above 0",
    "exploratory, down": "interval below 0",
    "exploratory, flat": "inside ±SESOI",
    "exploratory, open": "neither above, below, nor inside",
    "exploratory, same": "all differences 0",
    "relevant gain": "improved, interval above SESOI",
    "small gain": "improved, yet inside ±SESOI",
    "relevant loss": "worse, interval below -SESOI",
    "small loss": "worse, yet inside ±SESOI",
}


def decide(effect: Effect, *, sesoi: float | None, correlation: bool, declared: bool) -> Verdict:
    """The verdict on an effect; ``declared`` where it is the contrast chosen beforehand.

    ``correlation``: the metric is a correlation, so that higher is better and the SESOI applies.
    """
    test = effect.test
    few = effect.n_seeds < FEW_SEEDS
    if test.ci_low is None or test.ci_high is None:
        return Verdict("not tested", few_seeds=few, declared=declared)
    if effect.identical:
        return Verdict("identical", few_seeds=few, declared=declared)
    equivalent = (
        sesoi is not None
        and test.equivalence_low is not None
        and test.equivalence_high is not None
        and -sesoi < test.equivalence_low
        and test.equivalence_high < sesoi
    )
    if test.ci_low <= 0 <= test.ci_high:
        return Verdict("equivalent" if equivalent else "inconclusive", few_seeds=few, declared=declared)
    up = test.ci_low > 0
    nearer = test.ci_low if up else -test.ci_high  # the limit nearer to zero
    relevant = sesoi is not None and nearer > sesoi
    claimed: tuple[VerdictKind, VerdictKind] = ("improved", "worse")
    plain: tuple[VerdictKind, VerdictKind] = ("higher", "lower")
    if_up, if_down = claimed if correlation and not few else plain
    return Verdict(
        if_up if up else if_down,
        size="relevant" if relevant else "small" if equivalent else None,
        few_seeds=few,
        declared=declared,
    )


def label(verdict: Verdict) -> str:
    """The verdict in a table, at most 17 characters.

    >>> label(Verdict("higher", few_seeds=True)), label(Verdict("improved", size="relevant"))
    ('exploratory, up', 'relevant gain')
    """
    if verdict.few_seeds and verdict.kind in FEW_SEEDS_LABELS:
        return FEW_SEEDS_LABELS[verdict.kind]
    return SIZED_LABELS.get((verdict.kind, verdict.size or ""), verdict.kind)


def headline(comparison: Comparison) -> str:
    """The first line of every report: data, and the verdict on the declared contrast in one sentence.

    Where not even the best cell beats chance and the linear model, that stands before all else.
    """
    opening = shortfall(comparison)
    return f"{opening} {_contrast(comparison)}" if opening else _contrast(comparison)


def _contrast(comparison: Comparison) -> str:
    row = comparison.primary
    if row is None or row.effect is None:
        finding = "No contrast was declared, every difference is exploratory."
        return f"{banner(comparison)}. {finding}"
    arms = f"{compact(row.label)} against {compact(comparison.reference.label)}"
    return f"{banner(comparison)}. {arms}: {sentence(row.effect, row.verdict, comparison)}"


def banner(comparison: Comparison) -> str:
    """Metric, size and kind of the data: ``test/pearson, 8 subjects x 3 seeds, SIMULATED data``."""
    reference = comparison.reference
    seeds = figures.plural(max(row.n_seeds for row in comparison.rows), "seed")
    subjects = (
        f"{figures.plural(reference.n_subjects, 'subject')} x " if comparison.per_subject_scores else ""
    )
    data = "SIMULATED data" if comparison.simulated else "real EEG"
    return f"{comparison.metric}, {subjects}{seeds}, {data}"


def sentence(effect: Effect, verdict: Verdict, comparison: Comparison) -> str:
    """What was found, with its numbers, for one contrast."""
    test = effect.test
    if verdict.kind == "not tested":
        difference = "" if test.mean is None else f" (difference {figures.signed(test.mean)})"
        return f"NOT TESTED{difference}: {test.refused}."
    numbers = f"{figures.signed(test.mean)}, {_ci(comparison, effect)}, p {figures.p(test.p_value)}"
    finding = _finding(effect, verdict, comparison)
    if verdict.few_seeds:
        have = figures.plural(effect.n_seeds, "seed")
        return f"EXPLORATORY with {have} ({FEW_SEEDS} are needed for a verdict): {numbers}; {finding}."
    if not verdict.declared:
        return f"{verdict.kind}, exploratory (not the declared contrast): {numbers}; {finding}."
    return f"{verdict.kind.upper()}: {numbers}; {finding}."


def _finding(effect: Effect, verdict: Verdict, comparison: Comparison) -> str:
    sesoi = figures.plain(comparison.sesoi, 3)
    if verdict.kind == "identical":
        return "every single difference is zero, p is undefined"
    if verdict.kind in ("improved", "higher", "worse", "lower"):
        side = "above" if verdict.kind in ("improved", "higher") else "below"
        text = f"the interval lies {side} 0"
        if verdict.size == "relevant":
            return f"{text}, wholly beyond the smallest effect of interest {sesoi}"
        if verdict.size == "small":
            return f"{text}, yet the effect is smaller than the smallest of interest {sesoi}"
        return text
    if verdict.kind == "equivalent":
        test = effect.test
        inner = figures.interval(test.equivalence_low, test.equivalence_high, 4)
        return f"{figures.level(2 * comparison.alpha)} interval {inner} inside ±{sesoi}"
    return needed(effect, comparison) or "the interval includes 0"


def needed(effect: Effect, comparison: Comparison) -> str:
    """What it would take to decide; empty where the design says nothing about it."""
    if effect.components is None or comparison.sesoi is None:
        return ""
    sesoi = figures.plain(comparison.sesoi, 3)
    if effect.seeds_needed is None:
        what = f"not even {MOST_SEEDS} seeds would detect {sesoi}"
        limiting = effect.components.limiting(effect.n_subjects, MOST_SEEDS)
        return what if limiting == "seeds" else f"{what}: more subjects are needed"
    if effect.seeds_needed <= effect.n_seeds:
        return f"the design detects {sesoi} with 80 % power, a smaller effect remains possible"
    return f"about {effect.seeds_needed} seeds would detect {sesoi} with 80 % power"


def scope(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """What the intervals generalise to: (population, yes or NO with the reason)."""
    row = comparison.primary or comparison.reference
    effect = row.effect
    n_subjects = effect.n_subjects if effect else row.n_subjects
    n_seeds = effect.n_seeds if effect else row.n_seeds
    test = effect.test if effect else row.own
    sampled = "yes" if test.name else "NO (not tested)"
    if not comparison.per_subject_scores:
        subjects = "NO (no value per subject)"
    else:
        subjects = sampled if n_subjects > 1 else "NO (one subject)"
    return (
        ("new subjects", subjects),
        ("new seeds", sampled if n_seeds > 1 else "NO (one seed)"),
        ("new stimuli", "NO (fixed)"),
        ("new splits", "NO (one split)"),
    )


def legend(comparison: Comparison) -> str:
    """What the verdicts of this table mean, and what an asterisk says; empty where all is plain."""
    labels = dict.fromkeys(label(row.verdict) for row in comparison.rows)
    parts = [f"{name.removeprefix('exploratory, ')}: {LEGEND[name]}" for name in labels if name in LEGEND]
    if parts and comparison.sesoi is not None:
        parts.append(f"SESOI: smallest effect of interest, {figures.plain(comparison.sesoi, 3)}")
    return "; ".join(parts)


def asterisk(comparison: Comparison) -> str:
    """The line under a table in which some p values carry an asterisk."""
    if comparison.primary is not None and comparison.primary.verdict.declared:
        return "exploratory, not corrected for multiple tests; only the declared contrast is confirmatory"
    return "exploratory, not corrected for multiple tests; the declared contrast is not in this table"


def compact(text: str) -> str:
    """A cell's label without the spaces around its dots.

    >>> compact("gated · mlp · gs2")
    'gated·mlp·gs2'
    """
    return text.replace(" · ", "·")


def _ci(comparison: Comparison, effect: Effect) -> str:
    limits = figures.interval(effect.test.ci_low, effect.test.ci_high, 4)
    return f"{figures.level(comparison.alpha)} CI {limits}"
