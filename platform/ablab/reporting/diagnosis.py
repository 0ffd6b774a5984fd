"""A diagnosis -> text: a table per layer group with the guide's thresholds, the checklist, or verdicts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, replace

from ablab.comparison import figures
from ablab.comparison.guide import FRONT_CHANGE, RATIO
from ablab.comparison.mechanism_values import MechanismReport
from ablab.comparison.mechanism_words import MEANING
from ablab.comparison.run_diagnosis import GroupRow, RunDiagnosis

WIDTH = 100
_GAP = "  "

_HEADER = ("group", "|gradient|", "/ head", "update", "drift", "path eff.", "bypass drop")
_WANTED = ("guide wants", "", f"> {RATIO}", "", f"> {FRONT_CHANGE}", "", "")


def run_text(diagnosis: RunDiagnosis) -> str:
    """The table, the guide's quantities, and its checklist; nothing here is a verdict."""
    lines = [f"{diagnosis.name}   {diagnosis.source}"]
    lines += [f"note    {line}" for line in diagnosis.notes]
    if diagnosis.rows:
        lines += ["", *_table([_HEADER, *map(_cells, diagnosis.rows), _WANTED])]
        lines += ["", *_wrapped(_COLUMNS)]
    lines += ["", *_table([("", "here", "guide wants"), *_measures(diagnosis)])]
    if diagnosis.details:
        lines += ["", "   ".join(f"{name} {value:.4g}" for name, value in diagnosis.details.items())]
    lines += ["", "checklist after training"]
    lines += _table([(check.answer, check.line, check.number) for check in diagnosis.checks], right=())
    lines += [
        "",
        *_wrapped(
            "No line above is a verdict: a gradient ratio follows the gradient scale by construction, and"
            " weights that move need not matter. Verdicts need two cells and at least 3 seeds of each:"
            " ablab diagnose STUDY --cell A --against B"
        ),
    ]
    return "\n".join(lines)


def study_text(report: MechanismReport) -> str:
    """One verdict per layer group, each with its evidence in one sentence."""
    data = "SIMULATED data" if report.simulated else "real EEG"
    seeds = figures.plural(report.n_seeds, "seed")
    lines = _wrapped(f"{report.treatment} against {report.reference}, {seeds} in both, {data}")
    lines.append("")
    width = max((len(each.evidence.group) for each in report.verdicts), default=0)
    kinds = max((len(each.kind) for each in report.verdicts), default=0)
    for each in report.verdicts:
        head = f"{each.evidence.group:{width}}{_GAP}{each.kind:{kinds}}{_GAP}"
        lines += textwrap.wrap(
            head + each.sentence,
            WIDTH,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    lines.append("")
    given = dict.fromkeys(each.kind for each in report.verdicts)
    lines += [f"{kind}: {text}" for kind, text in MEANING.items() if kind in given]
    for note in report.notes:
        lines += textwrap.wrap(f"note    {note}", WIDTH, subsequent_indent=" " * 8)
    if report.simulated:
        lines.append("data    simulated: shows that the machinery works, says nothing about real EEG")
    return "\n".join(lines)


def run_object(diagnosis: RunDiagnosis) -> dict[str, object]:
    """The object that ``diagnose RUN --json`` prints; curves are left to the store."""
    whole = asdict(replace(diagnosis, curves={}))
    whole.pop("curves")
    return whole


def study_object(report: MechanismReport) -> dict[str, object]:
    """The object that ``diagnose STUDY --json`` prints."""
    return asdict(report)


_COLUMNS = (
    "|gradient|: RMS at the last observed step. / head: ratio to the head's, mean over the observed steps."
    " update: norm(update) / norm(weights), mean. drift: norm(change) / norm(first weights). bypass drop:"
    " validation r lost when what the group adds is replaced by its mean."
)


def _cells(row: GroupRow) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return figures.NONE if value is None else f"{value:.3g}"

    return (
        row.group,
        number(row.gradient_rms),
        number(row.gradient_ratio),
        number(row.update_ratio),
        number(row.drift),
        number(row.path_efficiency),
        figures.signed(row.bypass),
    )


def _measures(diagnosis: RunDiagnosis) -> list[tuple[str, str, str]]:
    return [
        (each.name, figures.NONE if each.value is None else f"{each.value:.4g}", each.wanted)
        for each in diagnosis.measures
    ]


def _table(rows: Sequence[Sequence[str]], right: Sequence[int] | None = None) -> list[str]:
    """Columns under each other; all but the first to the right, or those of ``right``."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    to_right = range(1, len(widths)) if right is None else right
    return [
        _GAP.join(
            text.rjust(width) if column in to_right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
