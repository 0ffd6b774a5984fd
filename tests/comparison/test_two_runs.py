from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.comparison.study import FULL, run

from ablab.comparison.two_runs import compare_runs
from ablab.errors import InputError, MixedRecordsError
from ablab.reporting.two_runs import as_object, render
from ablab.spec.experiment import Evaluation, Improvements

RNG = np.random.default_rng(0)
OURS, THEIRS = RNG.normal(0.15, 0.03, 9), RNG.normal(0.16, 0.03, 9)
FIRST = run(seed=0, scores={f"sub-{i}": float(r) for i, r in enumerate(OURS)})
SECOND = run(
    FULL, 3, {f"sub-{i}": float(r) for i, r in enumerate(THEIRS)}, improvements=Improvements(residual="gated")
)


def test_over_subjects_it_is_the_paired_t_test() -> None:
    found = compare_runs(FIRST, SECOND)
    expected = stats.ttest_rel(THEIRS, OURS)
    low, high = expected.confidence_interval(0.95)
    test = found.over_subjects
    assert test.name == "paired t-test over subjects"
    assert test.p_value == pytest.approx(expected.pvalue)
    assert (test.ci_low, test.ci_high) == pytest.approx((low, high))
    assert found.higher == (THEIRS > OURS).sum()
    assert [pair.subject for pair in found.subjects] == [f"sub-{i}" for i in np.argsort(OURS - THEIRS)]


def test_the_other_way_round_the_sign_turns() -> None:
    one, other = compare_runs(FIRST, SECOND), compare_runs(SECOND, FIRST)
    assert one.over_subjects.mean == pytest.approx(-other.over_subjects.mean)
    assert one.higher + other.higher == 9


def test_only_subjects_of_both_count() -> None:
    fewer = replace(SECOND, subjects=SECOND.subjects[:4])
    assert len(compare_runs(FIRST, fewer).subjects) == 4
    nobody = replace(SECOND, subjects=())
    with pytest.raises(InputError, match="have no subject with test/pearson in common"):
        compare_runs(FIRST, nobody)


def test_it_names_what_it_refuses_and_never_claims() -> None:
    found = compare_runs(FIRST, SECOND)
    text = render(found)
    assert "crossed quasi-t: one seed" in text
    assert "cannot    say anything about a method" in text
    assert "improvements.residual none -> gated; seed 0 -> 3" in " ".join(text.split())
    for word in ("improve ", "improves", "significant", "better"):
        assert word not in text
    assert as_object(found)["refused"].startswith("crossed quasi-t: ")


def test_one_subject_is_shown_and_not_tested() -> None:
    found = compare_runs(*(replace(each, subjects=each.subjects[:1]) for each in (FIRST, SECOND)))
    assert found.over_subjects.name is None
    assert "not tested: one subject shows nothing" in " ".join(render(found).split())


def test_many_subjects_are_counted_unless_all_are_asked_for() -> None:
    scores = {f"sub-{i:02}": 0.1 + i / 100 for i in range(20)}
    found = compare_runs(run(seed=0, scores=scores), run(seed=1, scores=scores))
    assert "... 8 more: --all" in render(found)
    assert "sub-19" in render(found, everything=True)


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        (FIRST, InputError, "is one run; name two"),
        (replace(SECOND, status="failed"), InputError, "is failed; only finished runs"),
        (replace(SECOND, data_fingerprint="e" * 32), MixedRecordsError, "were trained on different data"),
    ],
)
def test_what_cannot_be_compared_is_refused(second: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compare_runs(FIRST, second)


def test_a_metric_without_subjects_is_refused() -> None:
    with pytest.raises(InputError, match=r"--metric gradient/ratio: has no value per subject"):
        compare_runs(FIRST, SECOND, metric="gradient/ratio")


def test_runs_scored_on_segments_of_another_length_are_refused() -> None:
    short = SECOND.experiment.model_copy(update={"evaluation": Evaluation(segment_seconds=2.0)})
    with pytest.raises(MixedRecordsError, match="segments of 10 s and 2 s"):
        compare_runs(FIRST, replace(SECOND, experiment=short))
