"""Comparison -> Markdown: for a pull request, and for the study's page in the tracking store."""

from __future__ import annotations

from collections.abc import Sequence

from ablab.comparison import figures, verdicts
from ablab.comparison.values import Comparison, Row
from ablab.reporting.lines import lines, p_value

ROWS_DESCRIBED = 16
"""Rows of a description: with 12 cells it has some 2500 characters."""


def render(comparison: Comparison) -> str:
    """Everything: verdict, table and the lines beneath it; ends with a newline."""
    return _render(comparison, comparison.rows, everything=True)


def description(comparison: Comparison, next_command: str) -> str:
    """What stands on top of a study's page in the tracking store, which keeps 5000 characters."""
    rows = comparison.rows[:ROWS_DESCRIBED]
    text = _render(comparison, rows, everything=False)
    hidden = len(comparison.rows) - len(rows)
    more = f"- **more** {hidden} more cells: `ablab compare {comparison.study} --all`\n" if hidden else ""
    return f"{text}{more}- **next** `{next_command}`\n"


def _render(comparison: Comparison, rows: Sequence[Row], *, everything: bool) -> str:
    ci = f"{figures.level(comparison.alpha)} CI"
    score = "r" if comparison.per_subject_scores else "mean"
    header = ("cell", "seeds", score, "delta", ci, "p", "verdict", "ratio", "drift", "parameters", "time")
    alignment = ("---", *["---:"] * 5, "---", *["---:"] * 4)
    body = [header, alignment, *(_cells(row) for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in body)
    items = [
        f"**{_escaped(name)}** {_escaped(text)}" for name, text in lines(comparison, everything=everything)
    ]
    beneath = "\n".join(f"- {item}" for item in items)
    return f"**{_escaped(verdicts.headline(comparison))}**\n\n{table}\n\n{beneath}\n"


def _cells(row: Row) -> tuple[str, ...]:
    effect = row.effect
    interval = figures.NONE
    if effect is not None:
        interval = figures.interval(effect.test.ci_low, effect.test.ci_high, 4)
    values = (
        verdicts.compact(row.label),
        str(row.n_seeds),
        figures.plain(row.own.mean),
        figures.signed(effect.test.mean if effect else None),
        interval,
        p_value(row),
        verdicts.label(row.verdict),
        figures.plain(row.gradient_ratio, 3),
        figures.plain(row.drift, 3),
        figures.count(row.parameters),
        figures.duration(row.seconds),
    )
    return tuple(_escaped(value) for value in values)


def _escaped(text: str) -> str:
    for sign in ("|", "*", "_", "<"):
        text = text.replace(sign, f"\\{sign}")
    return text
