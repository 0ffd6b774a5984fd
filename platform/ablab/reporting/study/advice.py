"""The recommendation: two lines for the first screen, and a section with its reasons and the spec."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.study_report import StudyReport
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.study.parts import Section


def advice(report: StudyReport) -> tuple[str, ...]:
    """What to use, what that rests on, and how to confirm it; or why nothing can be recommended."""
    found, study = report.findings.recommendation, report.comparison.study
    if found is None:
        why = [line for line in report.findings.unsupported if "recommendation" in line]
        return (f"None: {why[0].removeprefix('no recommendation: ')}." if why else "None.",)
    label, best = compact(found.label), compact(found.best_label)
    many = figures.plural(found.n_improvements, "improvement") if found.n_improvements else "no improvement"
    if found.against_best is None:
        text = f"Use {label} ({many}): the best cell, and none simpler is shown to be as good."
    else:
        margin = numbers.plain(found.margin, 3)
        text = f"Use {label} ({many}): not worse than the best cell, {best}, by more than {margin}."
    return (text, f"Exploratory until confirmed on fresh seeds: ablab grid confirm {study}")


def recommended_spec(report: StudyReport) -> Section:
    """Why this cell, and its experiment file."""
    found = report.findings.recommendation
    title = "The recommended spec"
    if found is None:
        return Section("recommended", title, advice(report))
    text = [advice(report)[0], *(f"{reason[0].upper()}{reason[1:]}." for reason in found.reasons)]
    if found.against_best is not None:
        test = found.against_best.test
        text.insert(
            1,
            f"Against the best cell: {numbers.signed(test.mean)}, equivalence interval "
            f"{numbers.interval(test.equivalence_low, test.equivalence_high)}.",
        )
    return Section("recommended", title, tuple(text), code=found.spec, code_title="The experiment file")
