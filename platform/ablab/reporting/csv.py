"""Comparison -> CSV: one line per cell, one column per factor, full precision, nothing for None."""

from __future__ import annotations

import csv
import io

from ablab.comparison.values import Comparison
from ablab.reporting.rows import flat_row


def render(comparison: Comparison) -> str:
    """The table with study and metric in every line, so that files can be put together."""
    factors = list(dict.fromkeys(key for row in comparison.rows for key in row.factors))
    lines = []
    for row in comparison.rows:
        head = {"study": comparison.study, "metric": comparison.metric, "baseline": comparison.baseline}
        levels = {key: _level(row.factors[key]) if key in row.factors else "" for key in factors}
        lines.append({**head, **levels, **flat_row(row)})
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _level(level: object) -> object:
    """Levels as in a spec: ``true``, ``null``; everything else as it is."""
    if isinstance(level, bool):
        return str(level).lower()
    return "null" if level is None else level
