from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, run, two_arms

from ablab.comparison import verdicts
from ablab.comparison.compare import compare
from ablab.comparison.quasi_t import crossed_quasi_t
from ablab.comparison.values import Comparison, Effect, MeanTest, Verdict
from ablab.spec.grid import Analysis


def effect(low: float, high: float, *, seeds: int = 5, narrow: tuple[float, float] | None = None) -> Effect:
    inner = narrow or (low, high)
    test = MeanTest(
        mean=(low + high) / 2, name="crossed quasi-t", p_value=0.5, ci_low=low, ci_high=high,
        equivalence_low=inner[0], equivalence_high=inner[1],
    )  # fmt: skip
    return Effect(test=test, n_subjects=8, n_seeds=seeds)


@pytest.mark.parametrize(
    ("low", "high", "label"),
    [
        (0.002, 0.02, "improved"),
        (0.011, 0.02, "relevant gain"),
        (0.001, 0.009, "small gain"),
        (-0.02, -0.002, "worse"),
        (-0.02, -0.011, "relevant loss"),
        (-0.009, -0.001, "small loss"),
        (-0.003, 0.007, "equivalent"),
        (-0.003, 0.012, "inconclusive"),
        (-0.011, 0.003, "inconclusive"),
    ],
)
def test_verdict_by_interval_with_enough_seeds(low: float, high: float, label: str) -> None:
    verdict = verdicts.decide(effect(low, high), sesoi=0.01, correlation=True, declared=True)
    assert verdicts.label(verdict) == label
    assert not verdict.exploratory


@pytest.mark.parametrize(
    ("low", "high", "label"),
    [
        (0.011, 0.02, "exploratory, up"),
        (-0.02, -0.002, "exploratory, down"),
        (-0.003, 0.007, "exploratory, flat"),
        (-0.03, 0.012, "exploratory, open"),
    ],
)
@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_with_few_seeds_every_verdict_is_exploratory(low: float, high: float, label: str, seeds: int) -> None:
    verdict = verdicts.decide(effect(low, high, seeds=seeds), sesoi=0.01, correlation=True, declared=True)
    assert verdicts.label(verdict) == label
    assert verdict.exploratory
    assert verdict.kind not in ("improved", "worse")


def test_equivalence_is_judged_on_the_one_minus_two_alpha_interval() -> None:
    wide = effect(-0.0105, 0.004, narrow=(-0.009, 0.003))
    assert verdicts.decide(wide, sesoi=0.01, correlation=True, declared=True).kind == "equivalent"


def test_other_metrics_have_a_direction_but_no_better() -> None:
    up = verdicts.decide(effect(0.5, 0.9), sesoi=None, correlation=False, declared=False)
    assert verdicts.label(up) == "higher"
    flat = verdicts.decide(effect(-0.001, 0.001), sesoi=None, correlation=False, declared=False)
    assert verdicts.label(flat) == "inconclusive"


def test_undeclared_is_exploratory_with_any_number_of_seeds() -> None:
    assert verdicts.decide(effect(0.1, 0.2), sesoi=0.01, correlation=True, declared=False).exploratory


def test_every_label_fits_its_column_and_is_explained_or_plain() -> None:
    kinds = ("improved", "worse", "higher", "lower", "equivalent", "inconclusive", "identical", "not tested")
    for kind in kinds:
        for size in (None, "relevant", "small"):
            for few in (False, True):
                assert len(verdicts.label(Verdict(kind, size=size, few_seeds=few))) <= 17


def study(differences: np.ndarray, **options) -> Comparison:
    options = {"analysis": Analysis(), "reference": ORIGINAL, "treatment": FULL} | options
    return compare(two_arms(differences), study="made_up", **options)


def noisy(mean: float, subjects: int = 8, seeds: int = 5, sd: float = 0.002) -> np.ndarray:
    d = np.random.default_rng(1).normal(0, sd, (subjects, seeds))
    return mean + d - d.mean()


ARMS = "SIMULATED data. gated·mlp·gs2 against none·linear·gs1: "


def test_headline_improved_and_relevant() -> None:
    text = verdicts.headline(study(noisy(0.02)))
    assert text.startswith(f"test/pearson, 8 subjects x 5 seeds, {ARMS}IMPROVED: +.0200, 95 % CI [+.01")
    assert text.endswith("; the interval lies above 0, wholly beyond the smallest effect of interest .010.")


def test_headline_equivalent_names_the_interval_that_decided() -> None:
    text = verdicts.headline(study(noisy(0.0)))
    assert "EQUIVALENT: +.0000, 95 % CI [-" in text
    assert "; 90 % interval [-" in text
    assert text.endswith("inside ±.010.")


def test_headline_worse() -> None:
    text = verdicts.headline(study(noisy(-0.005, sd=0.001)))
    assert "WORSE: -.0050" in text
    assert text.endswith("lies below 0, yet the effect is smaller than the smallest of interest .010.")


def test_headline_inconclusive_says_how_many_seeds_would_decide() -> None:
    text = verdicts.headline(study(noisy(0.0, sd=0.05)))
    assert "INCONCLUSIVE: " in text
    assert "seeds would detect .010 with 80 % power." in text


def test_headline_inconclusive_where_only_subjects_help() -> None:
    by_subject = np.random.default_rng(2).normal(0, 0.05, (4, 1))
    text = verdicts.headline(study(by_subject - by_subject.mean() + noisy(0.0, 4)))
    assert text.endswith("not even 200 seeds would detect .010: more subjects are needed.")


def test_headline_with_three_seeds_is_exploratory() -> None:
    text = verdicts.headline(study(noisy(0.02, seeds=3)))
    assert (
        f"8 subjects x 3 seeds, {ARMS}EXPLORATORY with 3 seeds (5 are needed for a verdict): +.0200" in text
    )
    assert "improved" not in text.lower()


def test_headline_with_one_seed_refuses_and_says_why() -> None:
    text = verdicts.headline(study(noisy(0.02, seeds=1)))
    assert text.endswith(
        "NOT TESTED (difference +.0200): one seed shows nothing of how much trainings differ, so no test is "
        "possible; run 5 seeds or more."
    )


def test_headline_identical() -> None:
    text = verdicts.headline(study(np.zeros((8, 5))))
    assert ", p -; every single difference is zero, p is undefined." in text


def test_headline_of_an_undeclared_baseline_or_metric_confirms_nothing() -> None:
    text = verdicts.headline(study(noisy(0.02), metric="validation/pearson"))
    assert "improved, exploratory (not the declared contrast): +.0200" in text


def test_headline_without_a_contrast() -> None:
    text = verdicts.headline(study(noisy(0.02), treatment=None))
    assert text == (
        "test/pearson, 8 subjects x 5 seeds, SIMULATED data. No contrast was declared, every difference is "
        "exploratory."
    )


def test_headline_of_a_treatment_of_which_nothing_finished() -> None:
    comparison = compare(
        [run(seed=0), run(seed=1)], study="s", analysis=Analysis(), reference=ORIGINAL, treatment=FULL
    )
    assert verdicts.headline(comparison).endswith(
        "NOT TESTED: no subject was scored in both arms under the same seed."
    )


def test_scope_says_what_a_verdict_generalises_to() -> None:
    comparison = study(noisy(0.02))
    assert verdicts.scope(comparison) == (
        ("new subjects", "yes"),
        ("new seeds", "yes"),
        ("new stimuli", "NO (fixed)"),
        ("new splits", "NO (one split)"),
    )
    assert dict(verdicts.scope(study(noisy(0.02), metric="train/loss")))["new subjects"] == (
        "NO (no value per subject)"
    )
    assert dict(verdicts.scope(study(noisy(0.02, subjects=1))))["new subjects"] == "NO (one subject)"
    assert dict(verdicts.scope(study(noisy(0.02, seeds=1))))["new seeds"] == "NO (one seed)"


def test_real_recordings_are_called_real() -> None:
    assert verdicts.banner(replace(study(noisy(0.02)), simulated=False)).endswith("real EEG")


def test_of_200_studies_of_the_original_against_itself_at_most_ten_say_improved() -> None:
    rng = np.random.default_rng(0)
    d = (
        rng.normal(0, 0.01, (200, 20, 1))
        + rng.normal(0, 0.01, (200, 1, 5))
        + rng.normal(0, 0.01, (200, 20, 5))
    )
    result = crossed_quasi_t(d)
    found = 0
    for low, high in zip(result.ci_low, result.ci_high, strict=True):
        verdict = verdicts.decide(effect(low, high), sesoi=0.01, correlation=True, declared=True)
        found += verdict.kind == "improved"
    assert found <= 10


def test_what_was_not_tested_generalises_to_nothing() -> None:
    found = dict(verdicts.scope(study(noisy(0.02, seeds=2))))
    assert found["new subjects"] == found["new seeds"] == "NO (not tested)"


def test_a_scope_per_subject_of_runs_on_many_subjects_is_warned_of() -> None:
    found = study(noisy(0.02), analysis=Analysis(model_scope="per_subject"))
    assert any("trained on up to 8 subjects each" in note for note in found.notes)
    assert not study(noisy(0.02)).notes


def test_a_metric_without_subjects_is_tested_over_seeds_whatever_the_scope() -> None:
    found = study(noisy(0.02), analysis=Analysis(model_scope="per_subject"), metric="train/loss")
    assert found.primary is not None and found.primary.effect is not None
    assert found.primary.effect.test.name == "paired t-test over seeds"
    assert not found.notes


def test_more_subjects_are_not_asked_for_where_it_is_seeds_that_differ() -> None:
    by_seed = np.random.default_rng(0).normal(0, 0.5, (1, 5)) + np.zeros((8, 1))
    row = study(by_seed).primary
    assert row is not None and row.effect is not None
    assert verdicts.needed(row.effect, study(by_seed)) == "not even 200 seeds would detect .010"
