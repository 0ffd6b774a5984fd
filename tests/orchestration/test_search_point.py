"""The pruner's steps and the signed-rank instances of a point, against values computed by hand."""

from __future__ import annotations

import math

from hand_made import trial

from ablab.orchestration.optuna.point import Ended, RunningPoint, evaluations
from ablab.spec.experiment import Experiment
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Cell, Trial

EXPERIMENT = Experiment.model_validate({"name": "e", "training": {"epochs": 4, "evaluate_every": 2}})


def seeds(n: int) -> tuple[Trial, ...]:
    return tuple(
        Trial(trial("none", seed).key, "s", Cell("c", "c", {}, EXPERIMENT), seed, "data") for seed in range(n)
    )


def point(n: int = 2, objective: str = "validation/pearson") -> RunningPoint:
    return RunningPoint(0, {}, seeds(n), objective)


def told(of: RunningPoint, seed: int, epoch: int, r: float) -> None:
    of.advance(of.trials[seed].key, epoch, {of.objective: r})


def test_steps_are_in_the_order_of_the_seeds_and_values_are_means_over_them() -> None:
    one = point()
    told(one, 0, 2, 0.1)
    assert list(one.steps()) == [(1, 0.1)]
    told(one, 1, 2, 0.5)  # the second seed is ahead: held back until the first has ended
    assert list(one.steps()) == []
    told(one, 0, 4, 0.3)
    one.ended[one.trials[0].key] = Ended(0.3)
    assert list(one.steps()) == [(2, 0.3), (3, (0.3 + 0.5) / 2)]
    one.ended[one.trials[1].key] = Ended(0.7)
    assert list(one.steps()) == [(4, 0.5)]
    assert one.value == 0.5
    assert one.is_complete


def test_epochs_without_an_evaluation_are_no_steps() -> None:
    one = point()
    told(one, 0, 1, 0.1)
    told(one, 0, 3, 0.2)
    assert list(one.steps()) == []


def test_r_counts_as_the_best_so_far_and_a_loss_as_the_last() -> None:
    for objective, last in (("validation/pearson", 0.4), ("validation/loss", 0.2)):
        one = point(1, objective)
        told(one, 0, 2, 0.4)
        told(one, 0, 4, 0.2)
        assert list(one.steps()) == [(1, 0.4), (2, last)]
        assert one.last_value(one.trials[0].key) == last


def test_a_seed_that_stopped_early_counts_with_its_final_value() -> None:
    one = point()
    told(one, 0, 2, 0.1)
    one.ended[one.trials[0].key] = Ended(0.1)
    assert list(one.steps()) == [(1, 0.1), (2, 0.1)]


def test_instances_are_pairs_of_seed_and_subject_by_name() -> None:
    def scores(*r: float | None) -> tuple[SubjectScore, ...]:
        names = ("b", "a", "c")
        return tuple(
            SubjectScore(name, 1, 1, value, 0.9, 0.0, 0.0) for name, value in zip(names, r, strict=True)
        )

    one = point()
    one.ended[one.trials[1].key] = Ended(0.2, scores(0.1, 0.2, None))
    assert list(one.instances()) == [(2, 0.2), (3, 0.1)]
    one.ended[one.trials[0].key] = Ended(0.2, scores(0.3, 0.4, None))
    assert list(one.instances()) == [(0, 0.4), (1, 0.3)]
    assert list(one.instances()) == []


def test_a_point_without_a_finished_seed_has_no_value() -> None:
    assert math.isnan(point().value)
    assert evaluations(EXPERIMENT.training) == [2, 4]
