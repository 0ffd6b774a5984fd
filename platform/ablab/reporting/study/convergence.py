"""Section: which of the two arms learns faster, and by how many epochs."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.convergence import SHARE, Convergence, Survival
from ablab.comparison.study_report import StudyReport
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.plots import courses as plots
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def convergence_speed(report: StudyReport) -> Section:
    """Kaplan-Meier curves of the epochs to a common threshold, and the restricted mean difference."""
    title = "Convergence"
    found = report.findings.convergence
    if found is None:
        why = [line for line in report.findings.unsupported if "convergence" in line]
        return Section("convergence", title, (f"Not shown: {'; '.join(why)}.",))
    names = {row.cell: compact(row.label) for row in report.comparison.rows}
    table = Table(
        "convergence",
        f"Epochs to validation r {numbers.plain(found.threshold)}",
        (*word_columns("cell"), *number_columns("runs", "got there", "restricted mean epochs")),
        tuple(
            (
                names.get(arm.cell, arm.cell),
                str(arm.n_runs),
                str(arm.n_reached),
                numbers.plain(arm.restricted_mean, 2),
            )
            for arm in (found.reference, found.treatment)
        ),
        note=f"A run that does not get there by its last epoch is censored, which is not arriving; means are "
        f"restricted to {found.tau:g} epochs.",
    )
    kinds: tuple[plots.Kind, plots.Kind] = ("reference", "main")
    curves = [
        plots.Course(names.get(arm.cell, arm.cell), *_steps(arm, found.tau), kind=kind)
        for arm, kind in zip((found.reference, found.treatment), kinds, strict=True)
    ]
    plot = plots.courses(
        curves,
        name="convergence",
        title="Runs that are not yet at the threshold, by epoch",
        description="Kaplan-Meier curves of both arms; the numbers stand in the table beneath.",
        x_axis="epoch",
        y_axis="share of runs still below",
        height=260,
        markers=False,
    )
    return Section("convergence", title, (_sentence(found),), (plot,), (table,))


def _sentence(found: Convergence) -> str:
    test = found.difference
    threshold = numbers.plain(found.threshold)
    text = f"Threshold: {figures.percent(SHARE)} of the reference's best validation r, {threshold}."
    if test.mean is None or test.ci_low is None:
        return f"{text} No difference was tested: {test.refused}."
    return (
        f"{text} The treatment takes {numbers.signed(test.mean, 2)} "
        f"{numbers.interval(test.ci_low, test.ci_high, 2)} epochs (restricted mean difference, "
        f"paired by seed, {figures.plural(len(found.seeds), 'seed')}); below zero is faster. Exploratory."
    )


def _steps(arm: Survival, tau: float) -> tuple[list[float], list[float]]:
    """The curve's corners: it holds its height until a run arrives."""
    epochs, below = [0.0], [1.0]
    for epoch, share in zip(arm.epochs, arm.below, strict=True):
        if epoch > tau:
            break
        epochs += [epoch, epoch]
        below += [below[-1], share]
    return [*epochs, tau], [*below, below[-1]]
