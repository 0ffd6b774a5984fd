"""The first screen: banner, answer, what it holds for, the two arms, forest plot, recommendation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from ablab.comparison import figures
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Comparison, Row
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.plots import intervals
from ablab.reporting.plots.svg import Plot
from ablab.reporting.study.advice import advice
from ablab.reporting.study.answer import Answer, answer, metric_name
from ablab.reporting.study.parts import Column, Table

MOST_ROWS = 13
"""Cells in the first screen's forest plot; the section of all cells shows more."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands on the first screen."""

    study: str
    facts: str
    """Metric and size: ``test r · 8 subjects × 3 seeds``."""
    banner: str
    simulated: bool
    answer: Answer
    scope: tuple[tuple[str, str], ...]
    """Population -> whether the result holds for it."""
    arms: Table | None
    forest: Plot
    more: str
    """What the forest plot leaves to a later section; empty where it shows all."""
    recommendation: tuple[str, ...]


def summary(report: StudyReport) -> Summary:
    """The first screen of a report."""
    comparison = report.comparison
    shown = comparison.rows[:MOST_ROWS]
    hidden = len(comparison.rows) - len(shown)
    return Summary(
        study=comparison.study,
        facts=facts(comparison),
        banner=banner(comparison),
        simulated=comparison.simulated,
        answer=answer(report),
        scope=report.findings.scope,
        arms=arms(report),
        forest=forest(comparison, shown, name="forest"),
        more=f"{figures.plural(hidden, 'more cell')}: see all cells" if hidden else "",
        recommendation=advice(report),
    )


def banner(comparison: Comparison) -> str:
    """Which kind of data the numbers are from."""
    if comparison.simulated:
        return "Simulated data: shows that the machinery works, says nothing about brains."
    return "Real EEG."


def facts(comparison: Comparison) -> str:
    """Metric and size of the study."""
    seeds = figures.plural(max(row.n_seeds for row in comparison.rows), "seed")
    subjects = figures.plural(comparison.reference.n_subjects, "subject")
    size = f"{subjects} × {seeds}" if comparison.per_subject_scores else seeds
    return f"{metric_name(comparison)} · {figures.plural(len(comparison.rows), 'cell')} · {size}"


def forest(comparison: Comparison, rows: tuple[Row, ...], *, name: str) -> Plot:
    """Differences to the reference with their intervals, ridge and chance as lines."""
    reference = comparison.reference
    centre = reference.own.mean or 0.0
    metric = metric_name(comparison)
    rules = [intervals.Rule(0.0, "", "zero")]
    if comparison.floor is not None:
        label = f"ridge {numbers.plain(comparison.floor, 3)}"
        rules.append(intervals.Rule(comparison.floor - centre, label, "floor"))
    if comparison.chance is not None:
        label = f"chance {numbers.plain(comparison.chance, 3)}"
        rules.append(intervals.Rule(comparison.chance - centre, label, "chance"))
    level = figures.level(comparison.alpha)
    lines = "".join(f" {rule.label} in {metric}." for rule in rules if rule.label)
    return intervals.intervals(
        [_estimate(comparison, row) for row in rows],
        name=name,
        title=f"Difference to {compact(reference.label)} in {metric}",
        description=f"One row per cell: mean difference and {level} interval; the numbers stand in the table"
        f" of all cells.{lines}",
        axis=f"difference to {compact(reference.label)} in {metric}, {level} interval",
        rules=rules,
        band=None if comparison.sesoi is None else (-comparison.sesoi, comparison.sesoi),
        origin=(centre, metric),
    )


def _estimate(comparison: Comparison, row: Row) -> intervals.Row:
    label = compact(row.label)
    if row.effect is None:
        return intervals.Row(label, 0.0, shown="reference", kind="reference")
    test = row.effect.test
    kind: intervals.Kind = "main" if row is comparison.primary else "other"
    shown = numbers.signed(test.mean, 3)
    if test.ci_low is not None:
        shown += f" {numbers.interval(test.ci_low, test.ci_high, 3)}"
    return intervals.Row(label, test.mean, test.ci_low, test.ci_high, shown, kind)


def arms(report: StudyReport) -> Table | None:
    """The declared treatment beside the reference: what the guide promises, and what was measured."""
    comparison = report.comparison
    ours, theirs = comparison.primary, comparison.reference
    if ours is None:
        return None
    level = figures.level(comparison.alpha)
    test = ours.effect.test if ours.effect else None
    difference = numbers.signed(test.mean if test else None)
    rows = [
        (metric_name(comparison), numbers.plain(theirs.own.mean), numbers.plain(ours.own.mean), difference),
        (
            f"{level} interval",
            numbers.interval(theirs.own.ci_low, theirs.own.ci_high, 3, sign=False),
            numbers.interval(ours.own.ci_low, ours.own.ci_high, 3, sign=False),
            numbers.interval(test.ci_low, test.ci_high, 3) if test else numbers.NONE,
        ),
    ]
    for title, metric, digits in (
        ("validation r", "validation/pearson", 4),
        ("gradient, front / head", "gradient/ratio", 3),
        ("front weight change", "weights/front_change", 3),
    ):
        values = [_mean(report, row.cell, metric) for row in (theirs, ours)]
        if metric != comparison.metric and None not in values:
            before, after = (value or 0.0 for value in values)
            shown = [numbers.plain(value, digits) for value in values]
            rows.append((title, shown[0], shown[1], numbers.signed(after - before, digits)))
    if theirs.parameters is not None and ours.parameters is not None:
        more = ours.parameters - theirs.parameters
        rows.append(("parameters", f"{theirs.parameters:,}", f"{ours.parameters:,}", f"{more:+,}"))
    rows.append(
        (
            "time per run",
            figures.duration(theirs.seconds),
            figures.duration(ours.seconds),
            _ratio(theirs.seconds, ours.seconds),
        )
    )
    return Table(
        "arms",
        f"{compact(theirs.label)} and {compact(ours.label)}",
        (
            Column("", is_number=False),
            *map(Column, (compact(theirs.label), compact(ours.label), "difference")),
        ),
        tuple(rows),
    )


def _mean(report: StudyReport, cell: str, metric: str) -> float | None:
    runs = (run for run in report.records if run.cell == cell and run.status == "finished")
    return _finite_mean(run.metrics.get(metric) for run in runs)


def _finite_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None


def _ratio(before: float | None, after: float | None) -> str:
    return numbers.NONE if not before or after is None else f"×{after / before:.2f}"
