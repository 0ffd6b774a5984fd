"""Section: the declared contrast by other statistics, none of which decides anything."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.sensitivity import Sensitivity
from ablab.comparison.study_report import StudyReport
from ablab.reporting import numbers
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def other_statistics(report: StudyReport) -> Section:
    """Sensitivity lines and cross-checks; a statistic that cannot decide is refused, with the reason."""
    title = "The same contrast by other statistics"
    found = report.findings.sensitivity
    if not found:
        return Section("checks", title, ("Not shown: there is no declared contrast with paired scores.",))
    level = figures.level(report.comparison.alpha)
    table = Table(
        "checks",
        "Sensitivity lines and cross-checks",
        (
            *word_columns("statistic", "scale"),
            *number_columns("estimate", f"{level} interval", "p"),
            *word_columns("note"),
        ),
        tuple(map(_row, found)),
    )
    text = "The declared test decides; these show how far the answer depends on that choice."
    return Section("checks", title, (text,), tables=(table,), is_open=True)


def _row(line: Sensitivity) -> tuple[str, ...]:
    return (
        line.name,
        line.scale,
        numbers.signed(line.estimate),
        numbers.interval(line.ci_low, line.ci_high),
        numbers.p_value(line.p_value),
        line.refused or line.note,
    )
