"""The last sections: what was left out, what it cost, where it comes from."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.comparison.study_report import StudyReport
from ablab.comparison.verdicts import compact
from ablab.reporting import numbers
from ablab.reporting.durations import spoken
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns

MOST_LISTED = 200
"""Left-out runs and cells listed on the page."""


def excluded(report: StudyReport) -> Section:
    """Every run, seed or subject that did not enter, and why."""
    entries = report.comparison.excluded
    notes = tuple(f"{note[0].upper()}{note[1:]}." for note in report.comparison.notes)
    if not entries:
        return Section("excluded", "Left out", ("Nothing: every run entered the comparison.", *notes))
    rows = tuple(
        (
            compact(entry.label),
            numbers.NONE if entry.seed is None else str(entry.seed),
            entry.subject or numbers.NONE,
            entry.reason,
            entry.key[:8] if entry.key else numbers.NONE,
        )
        for entry in entries[:MOST_LISTED]
    )
    more = len(entries) - len(rows)
    return Section(
        "excluded",
        "Left out",
        (
            f"{figures.plural(len(entries), 'entry') if len(entries) == 1 else f'{len(entries)} entries'}.",
            *notes,
        ),
        tables=(
            Table(
                "excluded",
                "What did not enter the comparison, and why",
                (*word_columns("cell"), *number_columns("seed"), *word_columns("subject", "reason", "run")),
                rows,
                is_prose=True,
                note=f"{more} more: ablab compare {report.comparison.study} --all" if more > 0 else "",
            ),
        ),
        is_open=True,
    )


def cost(report: StudyReport) -> Section:
    """Runs, time and GPU-hours, in all and by cell."""
    total = report.cost
    gpu = f"{total.gpu_seconds / 3600:.2f} GPU-hours" if total.gpu_seconds else "no GPU used"
    text = (
        f"{figures.plural(total.runs, 'run')}, {total.finished} finished; {spoken(total.seconds)} of "
        f"training ({total.seconds:,.0f} s), {gpu}. Failed and killed runs count with the time of their last "
        "attempt."
    )
    table = Table(
        "cost",
        "Time by cell",
        (*word_columns("cell"), *number_columns("runs", "seconds", "seconds per run")),
        tuple(
            (compact(label), str(runs), f"{seconds:,.0f}", f"{seconds / runs:,.1f}")
            for label, runs, seconds in total.by_cell[:MOST_LISTED]
        ),
    )
    return Section("cost", "Cost", (text,), tables=(table,))


def provenance(report: StudyReport) -> Section:
    """Fingerprints, versions, and the command that makes the study again."""
    source = report.provenance
    rows = [
        ("data fingerprint", ", ".join(source.data_fingerprints)),
        ("code fingerprint", ", ".join(source.code_fingerprints)),
        *((name.replace("_", " "), ", ".join(values)) for name, values in source.origin.items()),
        ("tracking store", source.store),
        ("report written", source.written),
    ]
    return Section(
        "provenance",
        "Provenance",
        ("The command that makes these runs again, from the folder that the study was run in:",),
        tables=(
            Table(
                "provenance",
                "Where the runs come from",
                word_columns("what", "value"),
                tuple(rows),
                is_prose=True,
            ),
        ),
        code=source.command,
        is_open=True,
    )
