"""A gate as Markdown: for a pull request, a job summary, the page of its run in MLflow."""

from __future__ import annotations

from ablab.comparison import figures
from ablab.regression import words
from ablab.regression.values import CheckResult, Gate

_ORDER = ("FAIL", "INCONCLUSIVE", "PASS", "SKIPPED")


def render(gate: Gate) -> str:
    """Verdict, table of checks (failed ones first), notes."""
    checks = sorted(gate.judgement.checks, key=lambda check: _ORDER.index(check.finding))
    rows = ["| check | finding | baseline | candidate | reason |", "| --- | --- | --- | --- | --- |"]
    rows += [_row(check) for check in checks]
    notes = [f"- {_cell(note)}" for note in gate.judgement.notes]
    notes += [f"- {_cell(gate.hook)}"] if gate.hook else []
    notes.append(
        f"- gate `{gate.gate}`, {gate.seconds:.0f} s, code `{gate.candidate_code[:8]}` "
        f"(baseline `{gate.baseline_code[:8]}`), data `{gate.data_fingerprint[:12]}`"
    )
    return "\n".join([f"**{words.headline(gate)}**", "", *rows, "", *notes]) + "\n"


def _row(check: CheckResult) -> str:
    values = (figures.plain(check.baseline), figures.plain(check.candidate))
    return f"| {_cell(check.name)} | {check.finding} | {values[0]} | {values[1]} | {_cell(check.reason)} |"


def _cell(text: str) -> str:
    """Text that no table or emphasis of Markdown breaks."""
    return text.replace("|", "\\|").replace("\n", " ").replace("*", "\\*").replace("<", "&lt;")
