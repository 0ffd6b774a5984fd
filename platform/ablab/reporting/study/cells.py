"""Section: all cells, each against the reference."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.comparison import figures, verdicts
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Comparison, Row
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.lines import lines
from ablab.reporting.study.answer import metric_name
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns
from ablab.reporting.study.summary import MOST_ROWS, forest

MOST_PLOTTED = 60
MOST_LISTED = 200
"""Cells in the plot and the table; beyond them nobody reads a page, and the CSV has all."""


def all_cells(report: StudyReport) -> Section:
    """Every cell with its difference, interval, p, verdict and what its runs measured besides."""
    comparison = report.comparison
    rows = comparison.rows
    plots = (forest(comparison, rows[:MOST_PLOTTED], name="cells"),) if len(rows) > MOST_ROWS else ()
    notes = [text for name, text in lines(comparison) if name in ("*", "verdicts")]
    if report.findings.holm:
        notes.append("Holm: p adjusted over all cells that were tested; the declared contrast stands alone")
    hidden = len(rows) - MOST_LISTED
    if hidden > 0:
        notes.append(f"{figures.plural(hidden, 'more cell')}: in the CSV")
    return Section(
        name="cells",
        title="All cells",
        text=(_reading(comparison),),
        plots=plots,
        tables=(
            Table(
                "cells",
                f"Every cell against {compact(comparison.reference.label)}",
                (
                    *word_columns("cell"),
                    *number_columns(
                        "seeds",
                        metric_name(comparison),
                        "difference",
                        f"{figures.level(comparison.alpha)} interval",
                        "p",
                        "p, Holm",
                    ),
                    *word_columns("verdict"),
                    *number_columns("front / head", "drift", "parameters", "time"),
                ),
                tuple(_row(row, report.findings.holm) for row in rows[:MOST_LISTED]),
                note=" ".join(_as_sentence(note) for note in notes),
                marked=frozenset(n for n, row in enumerate(rows) if row is comparison.primary),
            ),
        ),
        is_open=True,
    )


def _reading(comparison: Comparison) -> str:
    test = next(
        (row.effect.test.name for row in comparison.rows if row.effect and row.effect.test.name), None
    )
    if test is None:
        return "No cell could be tested against the reference; the reasons stand below."
    text = f"Test and interval of each difference: {test}"
    if comparison.sesoi is not None:
        limit = numbers.plain(comparison.sesoi, 3)
        text += f". The shaded band is ±{limit}, the smallest effect of interest"
    return f"{text}. Only the declared contrast is confirmatory, everything else suggests."


def _row(row: Row, holm: Mapping[str, float]) -> tuple[str, ...]:
    test = row.effect.test if row.effect else None
    return (
        compact(row.label),
        str(row.n_seeds),
        numbers.plain(row.own.mean),
        numbers.signed(test.mean if test else None),
        numbers.interval(test.ci_low, test.ci_high) if test else numbers.NONE,
        numbers.p_value(test.p_value if test else None),
        numbers.p_value(None if row.verdict.declared else holm.get(row.cell)),
        verdicts.label(row.verdict),
        numbers.plain(row.gradient_ratio, 3),
        numbers.plain(row.drift, 3),
        figures.count(row.parameters),
        figures.duration(row.seconds),
    )


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
