"""Section: the audit per layer group, whether the change made that part of the network count."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.mechanism_values import Change, Contribution, Evidence
from ablab.comparison.mechanism_words import MEANING
from ablab.comparison.study_report import StudyReport
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.plots.intervals import Row, Rule, intervals
from ablab.reporting.plots.svg import Plot
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def layer_groups(report: StudyReport) -> Section:
    """One verdict per layer group with its evidence."""
    title = "Inside the network"
    mechanism = report.mechanism
    if mechanism is None:
        return Section("mechanism", title, (f"Not shown: {report.absent['mechanism']}.",))
    names = {row.cell: compact(row.label) for row in report.comparison.rows}
    given = dict.fromkeys(each.kind for each in mechanism.verdicts)
    text = [
        "Whether the change made a part of the network count. A gradient ratio is never enough: it follows "
        "the gradient scale by construction.",
        *(f"{kind}: {meaning}." for kind, meaning in MEANING.items() if kind in given),
        *(f"{note[0].upper()}{note[1:]}." for note in mechanism.notes),
    ]
    evidence = Table(
        "mechanism",
        f"{names.get(mechanism.treatment)} against {names.get(mechanism.reference)}, "
        f"{figures.plural(mechanism.n_seeds, 'seed')} in both",
        (
            *word_columns("layer group", "verdict"),
            *number_columns("gradient ratio", "update ratio", "drift", "contribution to r"),
            *word_columns("measured by"),
        ),
        tuple((each.evidence.group, each.kind, *_evidence(each.evidence)) for each in mechanism.verdicts),
        note="Factors of change, treatment over reference, with their interval over seeds.",
    )
    sentences = Table(
        "mechanism-evidence",
        "The evidence in words",
        word_columns("layer group", "verdict", "evidence"),
        tuple((each.evidence.group, each.kind, each.sentence) for each in mechanism.verdicts),
        is_prose=True,
    )
    contributions = [
        Row(
            each.evidence.group,
            test.mean,
            test.ci_low,
            test.ci_high,
            each.kind,
            kind="main" if each.kind == "REAL" else "other",
        )
        for each in mechanism.verdicts
        if each.evidence.contribution is not None
        and (test := each.evidence.contribution.test).mean is not None
    ]
    plots: tuple[Plot, ...] = ()
    if contributions:
        plots = (
            intervals(
                contributions,
                name="mechanism",
                title="What each layer group contributes to r",
                description="One row per layer group with its verdict; the numbers stand beneath.",
                axis="contribution to r in the treatment",
                rules=[Rule(0.0, "", "zero")],
                band=(-mechanism.sesoi, mechanism.sesoi),
                width=760,
            ),
        )
    return Section("mechanism", title, tuple(text), plots, (evidence, sentences))


def _evidence(evidence: Evidence) -> tuple[str, ...]:
    contribution = evidence.contribution
    return (
        _change(evidence.ratio),
        _change(evidence.update),
        _change(evidence.drift),
        _contribution(contribution),
        contribution.source if contribution else numbers.NONE,
    )


def _change(change: Change | None) -> str:
    if change is None:
        return numbers.NONE
    return f"×{change.factor:.2f} [{change.low:.2f}, {change.high:.2f}]"


def _contribution(contribution: Contribution | None) -> str:
    if contribution is None:
        return numbers.NONE
    test = contribution.test
    return f"{numbers.signed(test.mean)} {numbers.interval(test.ci_low, test.ci_high, 3)}"
