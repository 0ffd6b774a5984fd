"""Section: the reference's subjects against chance, and the platform's own false positives."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Comparison, PlaceboArm
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.study.answer import metric_name
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns

MOST_LISTED = 200
"""Subjects on the page; the CSV has all."""


def chance_and_placebos(report: StudyReport) -> Section:
    """What a decoder of nothing would reach, and how often nothing was called something."""
    title = "Chance and placebo arms"
    comparison = report.comparison
    text, tables = [], []
    if comparison.chance_by_subject:
        tables.append(_subjects(comparison))
        clear = [each for each in comparison.chance_by_subject if each.r > each.chance_p95]
        many = len(comparison.chance_by_subject)
        text.append(
            f"{len(clear)} of {figures.plural(many, 'subject')} of {compact(comparison.reference.label)} lie "
            "above the 95th percentile of their own circular-shift null; at most 5 % of them would by chance."
        )
    elif comparison.metric != "test/pearson":
        text.append(f"Chance is known for the test r, not for {metric_name(comparison)}.")
    if comparison.placebos:
        tables.append(_placebos(comparison))
        tested = [arm for arm in comparison.placebos if arm.verdict != "not tested"]
        false = sum(arm.false_positive for arm in tested)
        many_tested = figures.plural(len(tested), "placebo comparison")
        text.append(
            f"Comparing nothing with nothing, {false} of {many_tested} found a difference."
            if tested
            else "No placebo comparison could be tested, so false positives were not counted."
        )
    else:
        text.append("No placebo arm was trained (analysis.placebos), so false positives were not counted.")
    return Section("chance", title, tuple(text), tables=tuple(tables))


def _subjects(comparison: Comparison) -> Table:
    found = comparison.chance_by_subject
    return Table(
        "chance",
        f"Subjects of {compact(comparison.reference.label)} against chance",
        (*word_columns("subject"), *number_columns("test r", "chance mean", "95th percentile", "p", "runs")),
        tuple(
            (
                each.subject,
                numbers.plain(each.r),
                numbers.plain(each.chance_mean),
                numbers.plain(each.chance_p95),
                numbers.p_value(each.p_value),
                str(each.n_runs),
            )
            for each in found[:MOST_LISTED]
        ),
        note="Circular shifts of the true envelope within a recording; percentile and p: largest over runs.",
    )


def _placebos(comparison: Comparison) -> Table:
    level = figures.level(comparison.alpha)
    names = {row.cell: compact(row.label) for row in comparison.rows}
    return Table(
        "placebos",
        "Placebo arms",
        (
            *word_columns("placebo", "of"),
            *number_columns("difference", f"{level} interval", "p", "runs above chance"),
            *word_columns("found"),
        ),
        tuple(_placebo(arm, names.get(arm.against, arm.against)) for arm in comparison.placebos),
        note="a_a: the same cell on fresh seeds. no_eeg: the same cells with the EEG shuffled in time.",
    )


def _placebo(arm: PlaceboArm, against: str) -> tuple[str, ...]:
    test = arm.effect.test
    above = numbers.NONE if arm.above_chance is None else f"{arm.above_chance[0]} of {arm.above_chance[1]}"
    return (
        arm.kind,
        against,
        numbers.signed(test.mean),
        numbers.interval(test.ci_low, test.ci_high),
        numbers.p_value(test.p_value),
        above,
        arm.verdict,
    )
