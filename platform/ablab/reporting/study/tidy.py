"""The report's scores as tidy CSV: one row per cell, seed, subject and metric.

Columns, documented in docs/report.md: ``study``, ``cell``, ``label``, one per factor under its full key,
``seed``, ``subject`` (empty where the metric has one value per run), ``metric``, ``value`` (full precision),
``run`` (the run's key). Runs that did not finish have no scores and no row; the report lists them as left
out.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from ablab.comparison.study_report import StudyReport
from ablab.spec.record import RunRecord, SubjectScore
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
        writer.writerows((*head, *measured, record.key) for measured in _measured(record))
    return out.getvalue()


def _measured(record: RunRecord) -> Iterator[tuple[str, str, float]]:
    """(subject, metric, value) of a run, those by subject first."""
    for score in record.subjects:
        for metric, value in _of_subject(score):
            if value is not None and math.isfinite(value):
                yield score.subject, metric, value
    for metric, value in record.metrics.items():
        yield "", metric, value


def _of_subject(score: SubjectScore) -> tuple[tuple[str, float | None], ...]:
    unseen = "" if score.seen else "_unseen"
    return (
        (f"test/pearson{unseen}", score.test),
        (f"validation/pearson{unseen}", score.validation),
        ("test/chance_mean", score.chance_mean),
        ("test/chance_p95", score.chance_p95),
        ("test/chance_p", score.chance_p),
    )
