"""What every check finds on made-up scores; the interval against scipy's own t."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up import baseline, before, candidate, now
from numpy.typing import NDArray
from scipy import stats

from ablab.regression.judge import judge
from ablab.regression.looks import alpha_of_look, seeds_in_order, sizes
from ablab.regression.values import CheckResult, Judgement, Measured
from ablab.spec.regression import Check, LearningCurve, Regression

Floats = NDArray[np.float64]
RANDOM = np.random.default_rng(3)
SCORES: Floats = 0.2 + 0.05 * RANDOM.standard_normal((12, 5))
NOISE: Floats = 0.004 * RANDOM.standard_normal((12, 5))


def gate(*checks: Check, **keywords: Any) -> Regression:
    checks = checks or (Check(metric="test/pearson", margin=0.02),)
    return Regression(
        name="g", experiment="e", baseline="b", seeds=(0, 1, 2, 3, 4), checks=checks,
        **{"determinism": False, **keywords},
    )  # fmt: skip


def judged(
    regression: Regression, base: tuple[Measured, ...], cand: tuple[Measured, ...], **keywords: Any
) -> Judgement:
    return judge(regression, baseline(base), candidate(cand, **keywords), look=1, alpha=0.05)


def check(judgement: Judgement, name: str) -> CheckResult:
    return next(each for each in judgement.checks if each.name == name)


@pytest.mark.parametrize(
    ("loss", "verdict"), [(0.0, "PASS"), (-0.1, "PASS"), (0.05, "FAIL"), (0.02, "INCONCLUSIVE")]
)
def test_three_answers_to_whether_it_got_worse(loss: float, verdict: str) -> None:
    found = judged(gate(), before(SCORES), now(SCORES + NOISE - NOISE.mean() - loss))
    assert found.verdict == check(found, "test/pearson").finding == verdict
    assert not found.identical
    assert (found.n_subjects, found.n_seeds) == (12, 5)
    assert check(found, "test/pearson").delta == pytest.approx(-loss)


def test_the_interval_is_a_paired_t_interval_where_only_subjects_vary() -> None:
    by_subject = 0.01 * np.random.default_rng(0).standard_normal((12, 1))
    found = check(judged(gate(), before(SCORES), now(SCORES + by_subject)), "test/pearson")
    expected = stats.ttest_1samp(by_subject[:, 0], 0).confidence_interval(0.9)  # one-sided 5 % on either side
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high))


def test_the_same_bits_pass_and_say_so() -> None:
    found = judged(gate(), before(SCORES), now(SCORES))
    assert (found.verdict, found.identical) == ("PASS", True)
    assert check(found, "test/pearson").reason == "every difference is exactly zero (12 subjects x 5 seeds)"
    assert not judged(gate(), before(SCORES), now(SCORES + 1e-16 * (SCORES > 0.2) + 1e-9)).identical


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_fewer_than_three_seeds_are_inconclusive_and_more_may_decide(n_seeds: int) -> None:
    for cand in (SCORES, SCORES - 0.1):
        found = judged(gate(), before(SCORES), now(cand[:, :n_seeds]))
        assert found.verdict == "INCONCLUSIVE"
        assert found.more_seeds_may_decide


def test_a_check_that_fails_outweighs_one_that_is_open() -> None:
    regression = gate(Check(metric="test/pearson", margin=0.02), Check(metric="model/parameters", equal=True))
    base = before(SCORES, metrics={"model/parameters": 100.0})
    found = judged(regression, base, now(SCORES[:, :2], metrics={"model/parameters": 101.0}))
    assert found.verdict == "FAIL"
    assert not found.more_seeds_may_decide
    assert check(found, "model/parameters").reason == "differs: 101 against 100"


def test_other_data_fail() -> None:
    found = judged(gate(), before(SCORES), now(SCORES), data="0ther")
    assert found.verdict == check(found, "data").finding == "FAIL"
    assert (
        check(found, "data").reason == "the data are not those of the baseline: fingerprint 0ther, was d4ta"
    )


@pytest.mark.parametrize(
    ("value", "finding", "reason"),
    [
        (1.0, "PASS", "0.5 times the baseline's (1 against 2)"),
        (4.0, "PASS", "2 times the baseline's (4 against 2)"),
        (0.9, "FAIL", "fell to 0.45 times the baseline's (0.9 against 2); at least 0.5 is asked"),
        (4.2, "FAIL", "rose to 2.1 times the baseline's (4.2 against 2); at most 2 is allowed"),
        (0.0, "FAIL", "fell to 0 times the baseline's (0 against 2); at least 0.5 is asked"),
    ],
)
def test_a_quotient_of_means(value: float, finding: str, reason: str) -> None:
    bounded = Check(metric="weights/drift/*", at_least=0.5, at_most=2.0)
    regression = gate(Check(metric="test/pearson", margin=0.02), bounded)
    base = before(SCORES, metrics={"weights/drift/head": 2.0, "weights/drift/gate": 1.0})
    cand = now(SCORES, metrics={"weights/drift/head": value, "weights/drift/gate": 1.0})
    found = judged(regression, base, cand)
    assert (check(found, "weights/drift/head").finding, check(found, "weights/drift/head").reason) == (
        finding,
        reason,
    )
    assert check(found, "weights/drift/gate").finding == "PASS"


def test_a_quantity_that_is_gone_fails_and_one_of_zero_may_stay_zero() -> None:
    regression = gate(Check(metric="test/pearson", margin=0.02), Check(metric="x/*", at_most=2.0))
    base = before(SCORES, metrics={"x/zero": 0.0, "x/gone": 1.0, "x/rises": 0.0})
    found = judged(regression, base, now(SCORES, metrics={"x/zero": 0.0, "x/rises": 1.0}))
    assert [check(found, f"x/{name}").finding for name in ("zero", "gone", "rises")] == [
        "PASS",
        "FAIL",
        "FAIL",
    ]


def test_speed_is_compared_on_one_machine_only() -> None:
    name = "throughput/windows_per_second"
    regression = gate(Check(metric="test/pearson", margin=0.02), Check(metric=name, at_least=0.8))
    base = before(SCORES, metrics={name: 100.0})
    assert judged(regression, base, now(SCORES, metrics={name: 50.0})).verdict == "FAIL"
    elsewhere = judged(regression, base, now(SCORES, metrics={name: 50.0}, host="there"))
    assert (elsewhere.verdict, check(elsewhere, name).finding) == ("PASS", "SKIPPED")
    assert "baseline on here, candidate on there" in check(elsewhere, name).reason


@pytest.mark.parametrize(
    ("second", "finding"), [(0.25, "PASS"), (0.11, "PASS"), (0.09, "FAIL"), (0.9, "PASS")]
)
def test_a_learning_curve_may_not_run_below_the_band(second: float, finding: str) -> None:
    regression = gate(learning_curve=LearningCurve(margin=0.1))
    base = before(SCORES, curves={"validation/pearson": ((10, 0.1), (20, 0.2), (30, 0.3))})
    cand = now(SCORES, curves={"validation/pearson": ((10, 0.1), (20, second))})
    found = check(judged(regression, base, cand), "learning curve")
    assert found.finding == finding
    if finding == "FAIL":
        assert "at 1 of 2 evaluations, first at step 20: .0900, band from .1000" in found.reason


def test_curves_without_a_common_step_are_not_compared() -> None:
    regression = gate(learning_curve=LearningCurve())
    base = before(SCORES, curves={"validation/pearson": ((10, 0.1),)})
    found = judged(regression, base, now(SCORES, curves={"validation/pearson": ((11, 0.1),)}))
    assert (found.verdict, check(found, "learning curve").finding) == ("PASS", "SKIPPED")


def test_determinism_is_the_same_scores_metrics_curves_and_predictions() -> None:
    regression = gate(determinism=True)
    curves = {"train/loss": ((1, 0.5),)}
    cand = now(SCORES, metrics={"seconds": 1.0, "weights/drift/head": 1.0}, curves=curves)
    same = replace(cand[0], run_id="again", metrics={**cand[0].metrics, "seconds": 2.0})

    def finding(repeat: Measured | None, **keywords: Any) -> tuple[str, str]:
        found = check(judged(regression, before(SCORES), cand, repeat=repeat, **keywords), "determinism")
        return found.finding, found.reason

    assert finding(same) == ("PASS", "seed 0 trained twice gives the same bits")
    drifted = replace(same, metrics={**same.metrics, "weights/drift/head": 1.0 + 1e-15})
    assert finding(drifted) == ("FAIL", "seed 0 trained twice differs in weights/drift/head")
    bent = replace(same, curves={"train/loss": ((1, 0.25),)})
    assert finding(bent) == ("FAIL", "seed 0 trained twice differs in curve of train/loss")
    assert finding(same, same_predictions=False)[0] == "FAIL"
    assert finding(None)[0] == "INCONCLUSIVE"
    assert finding(drifted, device="cuda")[0] == "SKIPPED"


def test_a_candidate_without_a_run_fails_for_its_failure_alone() -> None:
    found = judged(
        gate(Check(metric="test/pearson", margin=0.02), Check(metric="x", at_least=0.5)),
        before(SCORES, metrics={"x": 1.0}), (), failures=("candidate: loss is NaN",),
    )  # fmt: skip
    assert found.verdict == "FAIL"
    assert [each.name for each in found.checks if each.finding == "FAIL"] == ["training"]
    assert not found.identical


def test_subjects_that_are_not_in_both_arms_are_named() -> None:
    found = judged(gate(), before(SCORES), now(SCORES[:10]))
    assert found.n_subjects == 10
    assert found.notes == ("2 subjects are not scored in both arms and left out: sub-010, sub-011",)


@pytest.mark.parametrize(
    ("seeds", "most", "looks", "available", "expected"),
    [
        ((0, 1, 2), None, 1, 9, (3,)),
        ((0, 1, 2), 9, 3, 20, (3, 6, 9)),
        ((0, 1, 2, 3, 4), 10, 2, 10, (5, 10)),
        ((0, 1, 2, 3, 4), 10, 2, 7, (5, 7)),
        ((0, 1, 2, 3, 4), 10, 2, 5, (5,)),
        ((0,), 4, 4, 4, (1, 2, 3, 4)),
    ],
)
def test_looks_are_spread_from_the_seeds_to_the_most(
    seeds: tuple[int, ...], most: int | None, looks: int, available: int, expected: tuple[int, ...]
) -> None:
    regression = Regression(name="g", experiment="e", baseline="b", seeds=seeds, max_seeds=most, looks=looks)
    assert sizes(regression, available) == expected
    assert alpha_of_look(regression) == pytest.approx(0.05 / looks)


def test_added_seeds_are_the_baselines_others_in_order() -> None:
    regression = Regression(name="g", experiment="e", baseline="b", seeds=(4, 2, 0), max_seeds=5, looks=2)
    assert seeds_in_order(regression, (0, 1, 2, 3, 4, 5)) == (4, 2, 0, 1, 3, 5)
