from __future__ import annotations

import pytest

from ablab.training.health import Health


@pytest.mark.parametrize(
    ("norms", "words"),
    [
        ([0.2, 0.4, 0.3], "0.3 (median up to epoch 5) is below 1"),
        ([50.0], "50 (median up to epoch 5) is above 10"),
    ],
)
def test_gradient_norm_outside_the_healthy_range(norms: list[float], words: str) -> None:
    (warning,) = Health().at_evaluation(epoch=5, validation_r=0.1, norms=norms)
    assert words in warning
    assert warning.startswith("Gradient/norm")


@pytest.mark.parametrize("norms", [[1.0], [10.0], [0.1, 2.0, 500.0], []])
def test_a_median_within_the_range_is_healthy(norms: list[float]) -> None:
    assert Health().at_evaluation(epoch=5, validation_r=0.1, norms=norms) == []


def test_each_kind_warns_once() -> None:
    health = Health()
    assert len(health.at_evaluation(epoch=1, validation_r=0.1, norms=[0.1])) == 1
    assert health.at_evaluation(epoch=2, validation_r=0.2, norms=[0.1]) == []
    assert len(health.at_evaluation(epoch=3, validation_r=0.3, norms=[99.0])) == 1


def test_validation_that_does_not_rise() -> None:
    health = Health(patience=3)
    said = [
        health.at_evaluation(epoch=i, validation_r=r, norms=[2.0])
        for i, r in enumerate([0.2, 0.1, 0.2, 0.15, 0.1])
    ]
    assert [len(warnings) for warnings in said] == [0, 0, 0, 1, 0]
    assert said[3][0].startswith("validation r has not risen for 3 evaluations (epoch 3, best 0.2000)")


def test_a_rise_starts_the_count_anew() -> None:
    health = Health(patience=2)
    said = [
        health.at_evaluation(epoch=i, validation_r=r, norms=[2.0]) for i, r in enumerate([0.1, 0.1, 0.2, 0.2])
    ]
    assert said == [[], [], [], []]
