from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from tests.comparison.made_up import LEVELS, additive, table
from tests.reporting.study.made import report_of

from ablab.reporting.study.tidy import HEAD, TAIL, render


def test_one_row_per_cell_seed_subject_and_metric_exact_to_the_last_digit() -> None:
    records = table(additive, n_subjects=3, seeds=range(2))
    records[0] = replace(records[0], status="failed", subjects=())
    rows = list(csv.DictReader(io.StringIO(render(report_of(records, levels=LEVELS)))))
    names = [(row["cell"], row["seed"], row["subject"], row["metric"]) for row in rows]
    assert len(set(names)) == len(names)
    found = {name: float(row["value"]) for name, row in zip(names, rows, strict=True)}
    for record in records[1:]:
        for score in record.subjects:
            assert found[record.cell, str(record.seed), score.subject, "test/pearson"] == score.test
        for metric, value in record.metrics.items():
            assert found[record.cell, str(record.seed), "", metric] == value
    assert len(rows) == 23 * (3 * 4 + len(records[1].metrics))
    assert {row["improvements.residual"] for row in rows} == {"none", "global", "gated"}
    assert {row["improvements.mlp_head"] for row in rows} == {"true", "false"}
    assert {row["run"] for row in rows} == {record.key for record in records[1:]}


def test_unseen_subjects_and_missing_scores_are_told_apart() -> None:
    (first, *rest) = table(additive, n_subjects=2, seeds=range(2))
    subjects = (
        replace(first.subjects[0], seen=False, validation=None),
        replace(first.subjects[1], chance_mean=float("nan")),
    )
    rows = list(csv.DictReader(io.StringIO(render(report_of([replace(first, subjects=subjects), *rest])))))
    own = [row for row in rows if row["run"] == first.key]
    metrics = {
        subject: {r["metric"] for r in own if r["subject"] == subject} for subject in ("sub-00", "sub-01")
    }
    assert metrics["sub-00"] == {"test/pearson_unseen", "test/chance_mean", "test/chance_p95"}
    assert metrics["sub-01"] == {"test/pearson", "validation/pearson", "test/chance_p95"}


def test_the_documented_columns_are_those_of_the_file(root: Path) -> None:
    text = (root / "docs" / "report.md").read_text(encoding="utf-8")
    for column in (*HEAD, *TAIL):
        assert f"| `{column}` |" in text
