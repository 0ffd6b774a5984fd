"""Section: learning curves."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.study_report import Course, StudyReport
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.plots import courses as plots
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns

MOST_PLOTTED = 60
MOST_LISTED = 40
"""Cells drawn and listed; the declared two come first."""

_COLUMNS = 8
"""Steps in the table, at even distances."""


def learning_curves(report: StudyReport) -> Section:
    """Validation r over training, mean over seeds with one SD as a band."""
    title = "Learning curves"
    if not report.courses:
        return Section("curves", title, ("Not shown: no run has validation scores over training.",))
    comparison = report.comparison
    kinds: dict[str, plots.Kind] = {comparison.baseline: "reference"}
    if comparison.primary is not None:
        kinds[comparison.primary.cell] = "main"
    shown = report.courses[:MOST_PLOTTED]
    curves = [
        plots.Course(compact(each.label), each.steps, each.mean, each.sd, kind=kinds.get(each.cell, "other"))
        for each in shown
    ]
    seeds = sorted({each.n_seeds for each in report.courses})
    many = figures.plural(seeds[-1], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    text = (
        f"Validation r at every evaluation, mean over {many}; bands are one standard deviation over seeds. "
        "The checkpoint that is tested is chosen by it, so it says nothing about generalisation."
    )
    plot = plots.courses(
        curves,
        name="curves",
        title="Validation r over training steps",
        description=f"{_ends(shown)} The numbers stand in the table beneath.",
        x_axis="training steps",
        y_axis="validation r",
    )
    return Section("curves", title, (text,), (plot,), (_table(report.courses[:MOST_LISTED]),))


def _ends(shown: tuple[Course, ...]) -> str:
    parts = (f"{compact(each.label)} ends at {numbers.plain(each.mean[-1], 3)}" for each in shown[:2])
    return f"{'; '.join(parts)}."


def _table(courses: tuple[Course, ...]) -> Table:
    steps = sorted({step for each in courses for step in each.steps})
    if len(steps) > _COLUMNS:
        steps = [steps[round(n * (len(steps) - 1) / (_COLUMNS - 1))] for n in range(_COLUMNS)]
    rows = []
    for each in courses:
        at = dict(zip(each.steps, each.mean, strict=True))
        last = numbers.plain(each.sd[-1] if each.sd else None)
        rows.append((compact(each.label), *(numbers.plain(at.get(step)) for step in steps), last))
    return Table(
        "curves",
        "Validation r by training step, mean over seeds",
        (*word_columns("cell"), *number_columns(*(f"step {step:,}" for step in steps), "SD at the end")),
        tuple(rows),
    )
