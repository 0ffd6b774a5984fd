"""A gate in words: the one sentence that every output begins with, and the lines of the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ablab.comparison import figures
from ablab.regression.values import CheckResult, Gate

_WIDTH = 110
_MARKS = {"PASS": "ok", "FAIL": "FAIL", "INCONCLUSIVE": "open", "SKIPPED": "skip"}


def headline(gate: Gate) -> str:
    """The verdict with its reason."""
    judgement = gate.judgement
    size = (
        f"{figures.plural(judgement.n_subjects, 'subject')} x {figures.plural(judgement.n_seeds, 'seed')}, "
        f"look {judgement.look} of {gate.looks}"
    )
    against = f"{gate.study} against {gate.baseline} version {gate.version} ({size})"
    return f"{gate.verdict}: {against}: {_why(gate)}"


def lines(gate: Gate) -> list[str]:
    """What the terminal shows."""
    checks = gate.judgement.checks
    shown = [
        check for check in checks if check.finding != "PASS" or "/" not in check.name or _first(gate, check)
    ]
    rest = [check for check in checks if check not in shown]
    width = max(len(check.name) for check in checks)
    found = textwrap.wrap(headline(gate), _WIDTH)
    for check in shown:
        found += _wrapped(f"  {_MARKS[check.finding]:<4}  {check.name:<{width}}  ", check.reason)
    if rest:
        found += _wrapped("  ok    ", f"{len(rest)} more: {', '.join(check.name for check in rest)}")
    for note in gate.judgement.notes:
        found += _wrapped("  note  ", note)
    if gate.hook:
        found += _wrapped("  hook  ", gate.hook)
    return [*found, f"next  ablab regression history {gate.baseline};  ablab ui"]


def of(gate: Gate, *findings: str) -> list[CheckResult]:
    """The checks with one of these findings."""
    return [check for check in gate.judgement.checks if check.finding in findings]


def _why(gate: Gate) -> str:
    judgement = gate.judgement
    if gate.verdict == "FAIL":
        first, *others = sorted(of(gate, "FAIL"), key=lambda check: check is not judgement.first)
        also = f"; also failed: {_listed([check.name for check in others])}" if others else ""
        return f"{first.name} {first.reason}{also}"
    if gate.verdict == "INCONCLUSIVE":
        return "; ".join(f"{check.name}: {check.reason}" for check in of(gate, "INCONCLUSIVE"))
    if judgement.identical:
        return "bit-identical: every difference in score is exactly zero"
    first = judgement.first
    return f"{first.name} {first.reason}"


def _first(gate: Gate, check: CheckResult) -> bool:
    return check is gate.judgement.first


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
