"""The sentence says no more than the verdict does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.made_up import LEVELS, additive, table, together_only
from tests.comparison.study import FULL, full_factorial, run, two_arms
from tests.reporting.study.made import report_of

from ablab.reporting.study.answer import answer
from ablab.spec.experiment import SplitFolder
from ablab.spec.grid import Analysis


def real(records: list) -> list:
    """The same runs as if of recorded EEG."""
    return [
        replace(
            record,
            experiment=record.experiment.model_copy(update={"dataset": SplitFolder(path="data/split_data")}),
        )
        for record in records
    ]


def noise(mean: float, *, seeds: int = 6, sd: float = 0.002) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(0, sd, (12, seeds))
    return values - values.mean() + mean


def sentence(records: list, **options: object) -> str:
    return answer(report_of(records, **options)).sentence


def test_an_improvement_says_how_large_and_what_carries_it() -> None:
    text = sentence(real(table(additive)), levels=LEVELS)
    assert text == (
        "gated·mlp·gs2 improves test r by 0.022 [0.018, 0.026]: the residual carries it, the gradient scale "
        "does nothing, the mlp head does little."
    )


def test_a_gain_that_needs_two_factors_at_once_is_said_to_depend() -> None:
    text = sentence(real(table(together_only)), levels=LEVELS)
    assert "gated·mlp·gs2 improves test r by 0.0" in text
    assert "the gain of the residual and the mlp head depends on the others" in text


@pytest.mark.parametrize(
    ("differences", "begins"),
    [
        (noise(0.021), "gated·mlp·gs2 improves test r by 0.021 [0.02"),
        (noise(-0.021), "gated·mlp·gs2 lowers test r by 0.021 [0.02"),
        (noise(0.0005), "gated·mlp·gs2 makes no difference to test r that matters: "),
        (noise(0.003), "gated·mlp·gs2 improves test r by 0.003 [0.00"),
        (noise(0.004, sd=0.2), "Whether gated·mlp·gs2 improves test r is open: +0.004 [−"),
        (
            noise(0.021, seeds=3),
            "Exploratory, with 3 of the 5 seeds that a verdict needs: gated·mlp·gs2 is above",
        ),
        (noise(0.0, seeds=1), "gated·mlp·gs2 against none·linear·gs1 was not tested: one seed shows nothing"),
        (np.zeros((4, 5)), "gated·mlp·gs2 and none·linear·gs1 score the same to the last digit"),
    ],
)
def test_the_words_follow_the_verdict(differences: np.ndarray, begins: str) -> None:
    assert sentence(real(two_arms(differences))).startswith(begins)


def test_an_effect_too_small_to_matter_says_so() -> None:
    assert sentence(real(two_arms(noise(0.003)))).endswith("less than matters (0.010).")


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_few_seeds_never_improve(seeds: int) -> None:
    text = sentence(real(two_arms(noise(0.05, seeds=seeds))))
    assert "improves" not in text


def test_another_metric_than_the_declared_one_is_exploratory() -> None:
    text = sentence(real(two_arms(noise(0.021))), metric="validation/pearson")
    assert text.startswith("Exploratory, not what was declared: gated·mlp·gs2 improves validation r by 0.021")


def test_simulated_data_are_named_in_the_sentence_itself() -> None:
    assert sentence(two_arms(noise(0.021))).startswith("On simulated listeners: gated·mlp·gs2 improves")


def test_without_a_contrast_nothing_is_confirmed() -> None:
    text = sentence(real(full_factorial()), reference=None, treatment=None)
    assert text.startswith("No contrast was declared, so nothing is confirmed; the highest test r is 0.1")


def test_the_contrast_of_a_cell_that_was_never_run_is_not_tested() -> None:
    records = real([run(seed=seed) for seed in range(5)])
    assert sentence(records, treatment=FULL).startswith(f"{FULL} against none·linear·gs1 was not tested: ")


def test_networks_below_the_linear_model_and_chance_are_named() -> None:
    records = two_arms(noise(0.01), level=0.1)
    all_below = answer(report_of(records, floor=0.5))
    assert all_below.remarks == ("No network reaches the linear model (ridge, 0.500).",)
    one_below = answer(report_of(records, floor=0.16))
    assert one_below.remarks == (
        "Below the linear model (ridge, 0.160): none·linear·gs1; 1 of 2 networks in all.",
    )
    lost = [replace(each, metrics={**each.metrics, "test/chance_p95": 0.4}) for each in records]
    assert answer(report_of(lost, floor=0.01)).remarks == (
        "Not above chance (0.400): none·linear·gs1 and gated·mlp·gs2; nothing can be concluded.",
    )


def test_that_the_linear_model_is_not_known_is_said() -> None:
    (remark,) = answer(report_of(two_arms(noise(0.02)))).remarks
    assert remark.startswith("Not set against the linear model, which is not fitted yet: ")
    assert answer(report_of(two_arms(noise(0.02)), metric="validation/pearson")).remarks == ()


def test_accepted_leakage_is_a_remark() -> None:
    records = [
        replace(
            record,
            experiment=record.experiment.model_copy(
                update={"dataset": record.experiment.dataset.model_copy(update={"accept_leakage": "a trial"})}
            ),
        )
        for record in two_arms(noise(0.02))
    ]
    assert answer(report_of(records, floor=0.01)).remarks == (
        "Training segments stand again in validation or test; accepted because: a trial.",
    )


def test_equivalence_shows_the_interval_that_decided() -> None:
    records = real(two_arms(noise(0.001, sd=0.02)))
    row = report_of(records).comparison.primary
    assert row is not None and row.effect is not None
    test = row.effect.test
    assert test.equivalence_high is not None and test.ci_high is not None
    limit = (test.equivalence_high + test.ci_high) / 2
    text = sentence(records, analysis=Analysis(sesoi=limit))
    assert "makes no difference to test r that matters: +0.001, 90 % interval [" in text


def test_the_highest_cell_is_none_of_the_controls() -> None:
    records = real([run(seed=seed) for seed in range(3)])
    lucky = [
        replace(
            each,
            cell=f"{each.cell},control=a_a",
            label="a control",
            subjects=tuple(replace(score, test=0.9) for score in each.subjects),
        )
        for each in records
    ]
    text = sentence([*records, *lucky], reference=None, treatment=None)
    assert "a control" not in text and "the highest test r is 0.150" in text
