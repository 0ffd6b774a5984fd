"""Section: how much of the total gain each factor carries."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.factorial.shapley import Share
from ablab.comparison.study_report import StudyReport
from ablab.reporting import numbers
from ablab.reporting.plots.intervals import Row, Rule, intervals
from ablab.reporting.study.answer import metric_name
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def shapley_shares(report: StudyReport) -> Section:
    """Gains that sum to the total, and their shares of it where the total is not nothing."""
    title = "Who carries the gain: Shapley shares"
    found, metric = report.findings.shapley, metric_name(report.comparison)
    if found is None:
        why = [line for line in report.findings.unsupported if "Shapley" in line]
        return Section("shapley", title, (f"Not shown: {'; '.join(why) or 'no factor varies'}.",))
    level = figures.level(report.comparison.alpha)
    total = found.total
    text = [
        f"The full cell minus the reference cell is {numbers.signed(total.mean)} "
        f"{numbers.interval(total.ci_low, total.ci_high)}. Each factor's part is its gain when it is "
        "switched on, averaged over all orders of switching on, so the parts sum to the total."
    ]
    if found.without_shares:
        text.append(f"No shares in per cent: {found.without_shares}.")
    table = Table(
        "shapley",
        "Parts of the total gain",
        (
            *word_columns("factor"),
            *number_columns(
                f"gain in {metric}", f"{level} interval", "bootstrap", "share", f"{level} interval "
            ),
        ),
        (
            *(_row(each) for each in found.shares),
            (
                "total",
                numbers.signed(total.mean),
                numbers.interval(total.ci_low, total.ci_high),
                numbers.NONE,
                figures.percent(1.0) if not found.without_shares else numbers.NONE,
                numbers.NONE,
            ),
        ),
        note=f"Gains: {total.name or 'not tested'}. Bootstrap and shares: {found.n_draws:,} pigeonhole draws "
        f"over {figures.plural(found.n_subjects, 'subject')} and {figures.plural(found.n_seeds, 'seed')}, "
        "shares computed anew in every draw.",
        marked=frozenset({len(found.shares)}),
    )
    rows = [
        Row(each.name, each.gain.mean, each.gain.ci_low, each.gain.ci_high, _shown(each))
        for each in found.shares
    ]
    rows.append(Row("total", total.mean, total.ci_low, total.ci_high, numbers.signed(total.mean, 3), "main"))
    plot = intervals(
        rows,
        name="shapley",
        title=f"Parts of the total gain in {metric}",
        description="One row per factor and one for the total; the numbers stand in the table beneath.",
        axis=f"gain in {metric}",
        rules=[Rule(0.0, "", "zero")],
        width=760,
    )
    return Section("shapley", title, tuple(text), (plot,), (table,))


def _row(each: Share) -> tuple[str, ...]:
    shares = (numbers.NONE, numbers.NONE)
    if each.share is not None and each.share_low is not None and each.share_high is not None:
        limits = f"[{figures.percent(each.share_low)}, {figures.percent(each.share_high)}]"
        shares = (figures.percent(each.share), limits.replace("-", numbers.MINUS))
    return (
        each.name,
        numbers.signed(each.gain.mean),
        numbers.interval(each.gain.ci_low, each.gain.ci_high),
        numbers.interval(each.gain_low, each.gain_high),
        *shares,
    )


def _shown(each: Share) -> str:
    gain = numbers.signed(each.gain.mean, 3)
    return gain if each.share is None else f"{gain} ({figures.percent(each.share)})"
