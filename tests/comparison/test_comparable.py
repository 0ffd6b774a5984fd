from __future__ import annotations

from dataclasses import replace

import pytest
from tests.comparison.study import FULL, ORIGINAL, full_factorial, run

from ablab.comparison.comparable import check_comparable, code_notes
from ablab.errors import MixedRecordsError
from ablab.spec.experiment import Experiment, Improvements, Simulated, Training

V2 = Improvements(residual="gated", mlp_head=True, gradient_scale=2.0)

UNEQUAL = "arms are not trained equally, so a difference may be one of training length or rate"


def with_training(record, **changes):
    experiment = record.experiment
    training = experiment.training.model_copy(update=changes)
    return replace(record, experiment=experiment.model_copy(update={"training": training}))


def test_a_study_that_differs_in_its_factors_only_passes_without_a_note() -> None:
    assert check_comparable(full_factorial()) == ()


def test_two_data_sets_are_refused() -> None:
    records = [run(seed=0), run(seed=1), run(FULL, 0, improvements=V2, data_fingerprint="e" * 32)]
    with pytest.raises(MixedRecordsError) as caught:
        check_comparable(records)
    assert str(caught.value) == (
        "study 'made_up': its runs were trained on 2 different data sets: "
        "dddddddd (2 runs), eeeeeeee (1 run). "
        "Differences between them are not effects of a factor; run each data set under its own study "
        "(ablab grid run FILE --study NAME)"
    )


def test_an_undeclared_difference_is_refused_with_key_values_and_runs() -> None:
    records = [run(seed=0), with_training(run(FULL, 0, improvements=V2), epochs=30)]
    with pytest.raises(MixedRecordsError) as caught:
        check_comparable(records)
    assert str(caught.value) == (
        "study 'made_up': runs differ in training.epochs, not declared as factor (training.epochs: 1000 in "
        f"{ORIGINAL} seed 0, 30 in {FULL} seed 0). Declare it under 'factors', or run the present "
        "spec under a new name (ablab grid run FILE --study NAME)"
    )


def test_name_notes_and_path_may_differ() -> None:
    dataset = Simulated(accept_leakage="known")
    other = Experiment(name="other", notes="text", dataset=dataset, improvements=V2)
    assert check_comparable([run(), run(FULL, improvements=V2, experiment=other)]) == ()


def test_a_factor_that_sets_a_kind_covers_the_keys_of_its_block() -> None:
    cosine = Experiment.model_validate(
        {"name": "b", "dataset": {"kind": "simulated"}, "training": {"schedule": {"kind": "cosine"}}}
    )
    key = "training.schedule.kind"
    step = run(seed=0, factors={key: "step"})
    other = run("schedule=cosine", seed=0, factors={key: "cosine"}, experiment=cosine)
    assert [note.partition(":")[0] for note in check_comparable([step, other])] == [
        "cells differ in training.schedule.kind, training.schedule.step_epochs, training.schedule.gamma, "
        "training.schedule.final_fraction"
    ]


def test_a_declared_factor_that_changes_the_course_of_training_is_noted() -> None:
    factors = {"training.epochs": 20}
    records = [
        with_training(run("epochs=20", 0, factors=factors), epochs=20),
        with_training(run("epochs=40", 0, factors={"training.epochs": 40}), epochs=40),
    ]
    assert check_comparable(records) == (f"cells differ in training.epochs: {UNEQUAL}",)


def test_replicates_of_a_cell_must_agree_even_in_a_declared_factor() -> None:
    wrong = run(FULL, 1, improvements=Improvements(residual="gated", mlp_head=True, gradient_scale=3.0))
    with pytest.raises(MixedRecordsError, match=r"runs of cell .* differ in improvements\.gradient_scale"):
        check_comparable([run(FULL, 0, improvements=V2), wrong, run(seed=0)])


def test_named_cells_may_differ_in_anything_and_it_is_noted() -> None:
    long = Experiment(name="v2_full", dataset=Simulated(), improvements=V2, training=Training(epochs=30))
    records = [run("original", factors={}), run("v2_full", factors={}, experiment=long)]
    assert check_comparable(records) == (
        "cells are whole experiment files; they differ in improvements.residual, improvements.mlp_head, "
        "improvements.gradient_scale, training.epochs",
        f"cells differ in training.epochs: {UNEQUAL}",
    )


def test_a_seed_that_counts_twice_is_refused() -> None:
    with pytest.raises(MixedRecordsError, match=r"2 finished runs .* seed 0; a replicate counts once"):
        check_comparable([run(seed=0), run(seed=0, key="f" * 32)])


def test_other_code_is_named_and_not_refused() -> None:
    old = [run(FULL, seed, improvements=V2, code_fingerprint="b" * 32) for seed in (2, 1)]
    records = [run(seed=0), run(seed=1), run(seed=2), *old]
    assert check_comparable(records) == ()
    assert code_notes(records, "c" * 32) == (
        "2 of 5 runs were made by other code than the code now: gated · mlp · gs2 s1, s2",
    )
    assert code_notes(records, "a" * 32) == (
        "2 code versions are pooled, none of them the code now; most runs are cccccccc, "
        "others: gated · mlp · gs2 s1, s2",
    )
    assert code_notes(old, "a" * 32) == ("all 2 runs were made by other code than the code now",)
    assert code_notes(old, "b" * 32) == ()
