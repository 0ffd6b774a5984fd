"""What a finished run measured, as tidy rows: one per subject and metric, one per metric of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ablab.spec.record import RunRecord, SubjectScore


def measured(record: RunRecord) -> Iterator[tuple[str, str, float]]:
    """(subject, metric, value), those by subject first; the subject is empty where a metric has one value."""
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
