from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, run

from ablab.comparison.table import EVERYONE, Paired, matrices, paired, tidy


def differences(records) -> Paired:
    scores = matrices(tidy(records, "test/pearson"), [ORIGINAL, FULL])
    return paired(scores[FULL], scores[ORIGINAL])


def test_tidy_has_one_row_per_score_and_none_for_a_missing_one() -> None:
    records = [run(seed=0, scores={"a": 0.1, "b": float("nan")}), run(FULL, 0, {"a": 0.3})]
    frame = tidy(records, "test/pearson")
    assert list(frame.itertuples(index=False, name=None)) == [(ORIGINAL, 0, "a", 0.1), (FULL, 0, "a", 0.3)]


def test_validation_scores_are_their_own_metric() -> None:
    frame = tidy([run(scores={"a": 0.1})], "validation/pearson")
    assert list(frame["r"]) == pytest.approx([0.11])


def test_a_metric_without_subjects_has_one_row_per_run() -> None:
    frame = tidy([run(seed=0), run(seed=1)], "gradient/ratio")
    assert list(frame["subject"]) == [EVERYONE, EVERYONE]
    assert list(frame["r"]) == [0.031, 0.031]


def test_pairs_are_what_both_arms_have_matched_by_name_not_by_position() -> None:
    records = [
        run(ORIGINAL, 0, {"a": 0.1, "b": 0.2, "c": 0.3}),
        run(ORIGINAL, 1, {"a": 0.1, "b": 0.2, "c": 0.3}),
        run(ORIGINAL, 2, {"a": 0.1, "b": 0.2, "c": 0.3}),
        run(FULL, 2, {"b": 0.6, "a": 0.4, "c": 0.1}),
        run(FULL, 1, {"b": 0.5, "a": 0.3}),
    ]
    found = differences(records)
    assert found.subjects == ("a", "b")
    assert found.seeds == (1, 2)
    assert found.lost_subjects == ("c",)
    np.testing.assert_allclose(found.differences, [[0.2, 0.3], [0.3, 0.4]])


def test_cells_without_a_common_seed_have_no_pairs() -> None:
    found = differences([run(ORIGINAL, 0), run(FULL, 1)])
    assert found.seeds == ()
    assert found.differences.size == 0


def test_seen_and_unseen_subjects_are_metrics_of_their_own() -> None:
    record = run(scores={"a": 0.1, "new": 0.3})
    subjects = tuple(replace(score, seen=score.subject != "new") for score in record.subjects)
    record = replace(record, subjects=subjects)
    for metric, subject, r in (
        ("test/pearson", "a", 0.1),
        ("validation/pearson", "a", 0.11),
        ("test/pearson_unseen", "new", 0.3),
        ("validation/pearson_unseen", "new", 0.31),
    ):
        frame = tidy([record], metric)
        assert list(frame["subject"]) == [subject]
        assert list(frame["r"]) == pytest.approx([r])
