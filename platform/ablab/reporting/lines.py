"""The lines beneath a comparison's table: effect, budget, floor, scope, what was left out, what is next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ablab.comparison import figures, verdicts
from ablab.comparison.values import Comparison, Excluded, Row
from ablab.reporting.claims import summary

Line = tuple[str, str]
"""A short name, and one sentence or list."""

SHOWN = 6
"""So many cells or reasons are named before the rest is counted; ``--all`` names all."""


def lines(
    comparison: Comparison, *, everything: bool = False, next_commands: Sequence[str] = ()
) -> list[Line]:
    """All lines, in the order in which they are shown; ``next_commands`` stand last.

    everything: name every left-out run instead of the first few.
    """
    found: list[Line] = []
    if any(_starred(row) for row in comparison.rows):
        found.append(("*", verdicts.asterisk(comparison)))
    if legend := verdicts.legend(comparison):
        found.append(("verdicts", legend))
    if comparison.primary is not None:
        found += _effect(comparison, comparison.primary)
    found += _floor(comparison)
    found += _placebos(comparison)
    if comparison.claims is not None:
        found.append(("claims", f"{comparison.claims.ledger}: {summary(comparison.claims)}"))
    found.append(("scope", "   ".join(f"{name} {answer}" for name, answer in verdicts.scope(comparison))))
    if comparison.simulated:
        found.append(("data", "simulated: shows that the machinery works, says nothing about real EEG"))
    found += [("leakage", f"accepted: {reason}") for reason in comparison.accepted_leakage]
    found += [("left out", text) for text in _left_out(comparison.excluded, everything)]
    found += [("note", text) for text in comparison.notes]
    if next_commands:
        found.append(("next", "   ".join(next_commands)))
    return found


def next_commands(comparison: Comparison) -> tuple[str, ...]:
    """What one would do after reading this comparison."""
    failed = next((entry for entry in comparison.excluded if entry.key and ":" in entry.reason), None)
    logs = (f"ablab logs {failed.key[:8]}",) if failed is not None and failed.key else ()
    return (*logs, f"ablab report {comparison.study}", "ablab ui")


def p_value(row: Row) -> str:
    """The row's p; with an asterisk where the verdict does not itself say that it is exploratory."""
    if row.effect is None:
        return figures.NONE
    return figures.p(row.effect.test.p_value) + ("*" if _starred(row) else "")


def _starred(row: Row) -> bool:
    tested = row.effect is not None and row.effect.test.p_value is not None
    return tested and row.verdict.exploratory and not row.verdict.few_seeds


def _effect(comparison: Comparison, row: Row) -> list[Line]:
    effect = row.effect
    if effect is None or effect.test.name is None:
        return []
    parts = []
    if effect.d_z is not None:
        parts.append(f"d_z {effect.d_z:+.2f}")
    if effect.share_improved is not None and effect.share_low is not None and effect.share_high is not None:
        improved = round(effect.share_improved * effect.n_subjects)
        limits = f"{figures.percent(effect.share_low)} to {figures.percent(effect.share_high)}"
        parts.append(f"{improved} of {effect.n_subjects} subjects higher ({limits})")
    if effect.superiority is not None:
        parts.append(f"higher in {figures.percent(effect.superiority)} of pairs")
    df = "" if effect.test.df is None else f", df {effect.test.df:.1f}"
    parts.append(f"{effect.test.name}{df}")
    found = [("effect", "   ".join(parts))]
    if effect.components is not None:
        found.append(("budget", _budget(comparison, row)))
    return found


def _budget(comparison: Comparison, row: Row) -> str:
    effect = row.effect
    assert effect is not None and effect.components is not None
    parts = effect.components
    sds = (
        f"SD by subject {figures.plain(parts.sd_subject)}, by seed {figures.plain(parts.sd_seed)}, "
        f"residual {figures.plain(parts.sd_residual)}"
    )
    limiting = parts.limiting(effect.n_subjects, effect.n_seeds)
    if limiting is None:
        return sds
    share = parts.shares(effect.n_subjects, effect.n_seeds)[limiting]
    text = f"{sds}; {figures.percent(share)} of the interval's variance comes from the {limiting}"
    needed = verdicts.needed(effect, comparison)
    return f"{text}; {needed}" if needed else text


def _floor(comparison: Comparison) -> list[Line]:
    if comparison.metric != "test/pearson":
        return []
    parts = []
    if comparison.floor is None:
        parts.append("ridge not known")
    else:
        parts.append(f"ridge {figures.plain(comparison.floor)}{_flagged(comparison.rows, 'below_floor')}")
    if comparison.chance is not None:
        text = f"chance 95th percentile {figures.plain(comparison.chance)}"
        if comparison.above_chance is not None:
            above, runs = comparison.above_chance
            text += f", reference above it in {above} of {figures.plural(runs, 'seed')}"
        text += _subjects_above_chance(comparison)
        parts.append(text + _flagged(comparison.rows, "below_chance"))
    return [("floor", "   ".join(parts))]


def _subjects_above_chance(comparison: Comparison) -> str:
    p_values = [each.p_value for each in comparison.chance_by_subject]
    known = [p for p in p_values if p is not None]
    if not known or len(known) < len(p_values):
        return ""
    above = sum(p <= comparison.alpha for p in known)
    return f" and in {above} of {figures.plural(len(known), 'subject')} alone"


def _placebos(comparison: Comparison) -> list[Line]:
    """How often the platform found a difference where there is none."""
    tested = [arm for arm in comparison.placebos if arm.verdict != "not tested"]
    if not comparison.placebos:
        return []
    false = sum(arm.false_positive for arm in tested)
    counted = f"{false} of {figures.plural(len(tested), 'placebo comparison')} found a difference"
    parts = [counted if tested else "no placebo comparison could be tested"]
    for arm in comparison.placebos:
        test = arm.effect.test
        text = f"{arm.kind} {figures.signed(test.mean)} {figures.interval(test.ci_low, test.ci_high)}"
        if arm.above_chance is not None:
            above, runs = arm.above_chance
            text += f", above chance in {above} of {figures.plural(runs, 'run')}"
        parts.append(text)
    return [("placebo", "   ".join(parts))]


def _flagged(rows: Sequence[Row], flag: str) -> str:
    """`` (BELOW it: ...)`` with the cells whose ``flag`` is set; empty where there is none."""
    below = [verdicts.compact(row.label) for row in rows if getattr(row, flag)]
    if not below:
        return ""
    if len(below) == len(rows):
        return f" (BELOW it: all {len(below)} cells)"
    rest = len(below) - SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f" (BELOW it: {', '.join(below[:SHOWN])}{more})"


def _left_out(excluded: Sequence[Excluded], everything: bool) -> list[str]:
    """One text per reason, with the cells and seeds or subjects that it concerns."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for entry in excluded:
        part = entry.subject if entry.seed is None else f"s{entry.seed}"
        by_reason[entry.reason].append(f"{verdicts.compact(entry.label)}·{part}")
    texts = []
    for reason, names in by_reason.items():
        shown = names if everything else names[:SHOWN]
        rest = len(names) - len(shown)
        more = f" and {rest} more" if rest else ""
        texts.append(f"{len(names)}: {', '.join(shown)}{more} ({reason})")
    if everything or len(texts) <= SHOWN:
        return texts
    return [*texts[:SHOWN], f"... for {len(texts) - SHOWN} more reasons: --all"]
