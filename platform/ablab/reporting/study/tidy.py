"""The report's scores as tidy CSV: one row per cell, seed, subject and metric.

Columns, documented in docs/report.md: ``study``, ``cell``, ``label``, one per factor under its full key,
``seed``, ``subject`` (empty where the metric has one value per run), ``metric``, ``value`` (full precision),
``run`` (the run's key). Runs that did not finish have no scores and no row; the report lists them as left
out.
"""

from __future__ import annotations

import csv
import io

from ablab.comparison.measured import measured
from ablab.comparison.study_report import StudyReport
from ablab.tracking.tags import level_text

HEAD = ("study", "cell", "label")
TAIL = ("seed", "subject", "metric", "value", "run")
"""Columns before and behind those of the factors."""


def render(report: StudyReport) -> str:
    """The file's text."""
    finished = [record for record in report.records if record.status == "finished"]
    factors = list(dict.fromkeys(key for record in finished for key in record.factors))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*HEAD, *factors, *TAIL))
    for record in finished:
        levels = [level_text(record.factors[key]) if key in record.factors else "" for key in factors]
        head = (report.comparison.study, record.cell, record.label, *levels, record.seed)
        writer.writerows((*head, *each, record.key) for each in measured(record))
    return out.getvalue()
