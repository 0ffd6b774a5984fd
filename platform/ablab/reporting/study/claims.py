"""Section: what a source claims, held against what was measured."""

from __future__ import annotations

import math

from ablab.comparison.claims_values import MEANING, CheckedClaim, ClaimsReport, Measured
from ablab.comparison.study_report import StudyReport
from ablab.reporting import numbers
from ablab.reporting.claims import summary
from ablab.reporting.plots.intervals import Row, intervals
from ablab.reporting.plots.svg import Plot
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns


def claims_ledger(report: StudyReport) -> Section:
    """Every claim with its verdict, and a plot of claimed bands against measured intervals."""
    title = "Claims"
    found = report.comparison.claims
    if found is None:
        return Section("claims", title, (f"Not checked: {report.absent['claims']}.",))
    given = [f"{verdict}: {MEANING[verdict]}." for verdict in found.counts]
    text = (
        f"{found.source}. {summary(found)}.",
        " ".join(given),
        *(f"{note[0].upper()}{note[1:]}." for note in found.notes),
    )
    plots = (_plot(found),) if _drawn(found) else ()
    return Section("claims", title, text, plots, (_numbers(found), _words(found)))


def _drawn(found: ClaimsReport) -> list[CheckedClaim]:
    return [each for each in found.claims if each.measured is not None]


def _plot(found: ClaimsReport) -> Plot:
    """Claims have units of their own, so each is drawn on its own scale: 0 and 1 are its claimed limits."""
    rows = []
    for each in _drawn(found):
        claimed, measured = each.claim.claimed, each.measured
        assert measured is not None
        shift, unit = _own_scale(claimed.low, claimed.high, measured)
        point, low, high, claimed_low, claimed_high = (
            _clipped((value - shift) / unit)
            for value in (measured.estimate, measured.low, measured.high, claimed.low, claimed.high)
        )
        rows.append(
            Row(
                each.name,
                point,
                low,
                high,
                shown=each.verdict + ("*" if each.exploratory else ""),
                kind="main" if each.verdict in ("REFUTED", "INCONSISTENT") else "other",
                claimed=(claimed_low, claimed_high),
            )
        )
    return intervals(
        rows,
        name="claims",
        title="Claimed bands and measured intervals",
        description="One row per claim, each on a scale of its own: the band is what was claimed, point and "
        "interval what was measured. The numbers stand in the table beneath.",
        axis="each claim on its own scale (band: claimed; point: measured)",
        width=760,
        ticks=False,
    )


_FAR = 3.0
"""Widths of its own band at which a value is drawn at the edge."""


def _own_scale(low: float, high: float, measured: Measured) -> tuple[float, float]:
    """(zero, unit) of a claim's own axis: its band's lower end and width.

    Of a band with one end: that end, and its distance from no effect, from zero, or the interval's width.
    """
    ends = [value for value in (low, high) if math.isfinite(value)]
    if len(ends) == 2 and ends[0] != ends[1]:
        return ends[0], ends[1] - ends[0]
    from_nothing = abs(ends[0] - (measured.no_effect or 0.0))
    return ends[0], from_nothing or abs(ends[0]) or measured.high - measured.low or 1.0


def _clipped(value: float) -> float:
    return min(max(value, -_FAR), 1 + _FAR)


def _numbers(found: ClaimsReport) -> Table:
    rows = []
    for each in found.claims:
        measured = each.measured
        rows.append(
            (
                each.name,
                each.verdict + ("*" if each.exploratory else ""),
                _band(each.claim.claimed.low, each.claim.claimed.high),
                numbers.small(measured.estimate if measured else None),
                f"[{numbers.small(measured.low)}, {numbers.small(measured.high)}]"
                if measured and not measured.exact
                else numbers.NONE,
                measured.statistic if measured else numbers.NONE,
            )
        )
    return Table(
        "claims",
        "Claimed and measured",
        (
            *word_columns("claim", "verdict"),
            *number_columns("claimed", "measured", "interval"),
            *word_columns("statistic"),
        ),
        tuple(rows),
        note="*: fewer than 5 seeds, exploratory." if any(each.exploratory for each in found.claims) else "",
    )


def _words(found: ClaimsReport) -> Table:
    return Table(
        "claims-evidence",
        "The claims in words, and the evidence",
        word_columns("claim", "what is claimed", "where", "evidence"),
        tuple((each.name, each.claim.statement, each.claim.source, each.evidence) for each in found.claims),
        is_prose=True,
    )


def _band(low: float, high: float) -> str:
    if low == high:
        return numbers.small(low)
    if math.isinf(high):
        return f"> {numbers.small(low)}"
    if math.isinf(low):
        return f"< {numbers.small(high)}"
    return f"{numbers.small(low)} to {numbers.small(high)}"
