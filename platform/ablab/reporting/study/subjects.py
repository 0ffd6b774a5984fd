"""Section: the declared contrast, subject by subject."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from ablab.comparison import figures
from ablab.comparison.effects import wilson_interval
from ablab.comparison.study_report import StudyReport
from ablab.comparison.subjects import SubjectRow
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.plots.paired import Pair, paired
from ablab.reporting.study.answer import metric_name
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def by_subject(report: StudyReport) -> Section:
    """Each subject's score in both arms, and how many gained."""
    comparison, subjects = report.comparison, report.findings.subjects
    row = comparison.primary
    if row is None or not comparison.per_subject_scores:
        why = "there is no declared contrast with a score per subject"
        return Section("subjects", "Subject by subject", (f"Not shown: {why}.",))
    if not subjects:
        why = "no subject was scored in both arms under the same seed"
        return Section("subjects", "Subject by subject", (f"Not shown: {why}.",))
    arms = (compact(comparison.reference.label), compact(row.label))
    metric = metric_name(comparison)
    n_seeds = len(subjects[0].difference_by_seed)
    chance = subjects[0].chance_p95 is not None
    table = Table(
        "subjects",
        f"{metric} of every subject, mean over {figures.plural(n_seeds, 'seed')}",
        (
            *word_columns("subject"),
            *number_columns(*arms, "difference", "SD over seeds", *(["chance"] if chance else [])),
        ),
        tuple(
            (
                each.subject,
                numbers.plain(each.reference),
                numbers.plain(each.treatment),
                numbers.signed(each.difference),
                numbers.plain(stdev(each.difference_by_seed) if n_seeds > 1 else None),
                *([numbers.plain(each.chance_p95)] if chance else []),
            )
            for each in subjects
        ),
        note=f"Chance: 95th percentile of the circular-shift null of {arms[1]}, the largest over its seeds."
        if chance
        else "",
    )
    plot = paired(
        [Pair(each.subject, each.reference, each.treatment) for each in subjects],
        arms=arms,
        metric=metric,
        name="subjects",
        title=f"{arms[0]} and {arms[1]} by subject",
    )
    text = _sentence(subjects, comparison.alpha)
    return Section("subjects", "Subject by subject", (text,), (plot,), (table,))


def _sentence(subjects: Sequence[SubjectRow], alpha: float) -> str:
    higher, n = sum(each.difference > 0 for each in subjects), len(subjects)
    low, high = wilson_interval(higher, n, alpha)
    text = (
        f"{higher} of {figures.plural(n, 'subject')} score higher ({figures.level(alpha)} Wilson "
        f"interval {figures.percent(low)} to {figures.percent(high)})."
    )
    above = [each for each in subjects if each.chance_p95 is not None and each.treatment > each.chance_p95]
    if subjects[0].chance_p95 is not None:
        text += f" In the treatment {len(above)} of {n} lie above their own chance."
    return text
