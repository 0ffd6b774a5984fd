"""Checked claims -> text for a terminal, and one JSON object as docs/json/claims_check.json describes it."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from ablab.comparison.claims_values import MEANING, CheckedClaim, ClaimsReport
from ablab.comparison.figures import plural

WIDTH = 100
_GAP = "  "


def claims_text(report: ClaimsReport) -> str:
    """One verdict per claim, with what is claimed and the evidence."""
    against = "its own numbers" if report.study is None else f"study {report.study}"
    data = "" if report.study is None else ", SIMULATED data" if report.simulated else ", real EEG"
    lines = [f"{report.ledger}: {report.source}, against {against}{data}", ""]
    names = max((len(each.name) for each in report.claims), default=0)
    verdicts = max((len(_verdict(each)) for each in report.claims), default=0)
    for each in report.claims:
        head = f"{each.name:{names}}{_GAP}{_verdict(each):{verdicts}}{_GAP}"
        indent = " " * len(head)
        lines += _wrapped(head + each.claim.statement, indent)
        lines += _wrapped(indent + each.evidence, indent)
    lines += ["", summary(report)]
    lines += [f"{verdict:{verdicts}}{_GAP}{MEANING[verdict]}" for verdict in report.counts]
    if any(each.exploratory for each in report.claims):
        lines.append(f"{'*':{verdicts}}{_GAP}fewer than 5 seeds: exploratory")
    lines += [line for note in report.notes for line in _wrapped(f"note{_GAP}{note}", " " * 6)]
    return "\n".join(lines)


def summary(report: ClaimsReport) -> str:
    """How many claims have which verdict, in one line."""
    counts = ", ".join(f"{n} {verdict.lower()}" for verdict, n in report.counts.items())
    text = f"{plural(len(report.claims), 'claim')}: {counts}" if report.claims else "no claim was checked"
    if report.not_checked:
        text += f"; {report.not_checked} more need runs (--study STUDY)"
    return text


def claims_object(report: ClaimsReport) -> dict[str, Any]:
    """The report as plain values; keys may be added, never renamed."""
    return {
        "ledger": report.ledger,
        "source": report.source,
        "study": report.study,
        "simulated": report.simulated,
        "alpha": report.alpha,
        "counts": dict(report.counts),
        "not_checked": report.not_checked,
        "claims": [_claim_object(each) for each in report.claims],
        "notes": list(report.notes),
    }


def _claim_object(each: CheckedClaim) -> dict[str, Any]:
    claim, measured = each.claim, each.measured
    return {
        "claim": each.name,
        "verdict": each.verdict,
        "exploratory": each.exploratory,
        "evidence": each.evidence,
        "statement": claim.statement,
        "source": claim.source,
        "quantity": claim.quantity.model_dump(mode="json"),
        "claimed_low": _finite(claim.claimed.low),
        "claimed_high": _finite(claim.claimed.high),
        "test": claim.test,
        "data": claim.data,
        "note": claim.note,
        "estimate": None if measured is None else measured.estimate,
        "low": None if measured is None else measured.low,
        "high": None if measured is None else measured.high,
        "statistic": None if measured is None else measured.statistic,
        "n_seeds": None if measured is None else measured.n_seeds,
        "n_subjects": None if measured is None else measured.n_subjects,
    }


def _verdict(each: CheckedClaim) -> str:
    return each.verdict + ("*" if each.exploratory else "")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
