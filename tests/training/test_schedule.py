from __future__ import annotations

import math

import pytest

from ablab.spec.experiment import ConstantSchedule, CosineSchedule, Schedule, StepSchedule
from ablab.training.schedule import factor


def factors(schedule: Schedule, steps_per_epoch: int, epochs: int) -> list[float]:
    return [factor(schedule, step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)]


def test_step_changes_at_epoch_boundaries() -> None:
    got = factors(StepSchedule(step_epochs=2, gamma=0.5), steps_per_epoch=3, epochs=5)
    assert got == [1.0] * 6 + [0.5] * 6 + [0.25] * 3


def test_step_is_that_of_the_reference_recipe() -> None:
    # 0.9 every 50 epochs: 0.9 ** 19 in the last of 1000.
    assert factor(StepSchedule(), 999, 1, 1000) == pytest.approx(0.9**19)


def test_cosine_from_one_to_the_final_fraction() -> None:
    got = factors(CosineSchedule(final_fraction=0.2), steps_per_epoch=1, epochs=5)
    assert got == pytest.approx(
        [1.0, 0.2 + 0.4 * (1 + math.sqrt(0.5)), 0.6, 0.2 + 0.4 * (1 - math.sqrt(0.5)), 0.2]
    )


def test_warmup_rises_per_step_to_the_whole_rate() -> None:
    got = factors(ConstantSchedule(warmup_epochs=1.5), steps_per_epoch=4, epochs=2)
    assert got == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1, 1])


def test_warmup_multiplies_the_step_schedule() -> None:
    got = factors(StepSchedule(step_epochs=1, gamma=0.5, warmup_epochs=2), steps_per_epoch=2, epochs=3)
    assert got == pytest.approx([0.25, 0.5, 0.75 * 0.5, 0.5, 0.25, 0.25])


def test_cosine_falls_from_the_end_of_the_warmup() -> None:
    got = factors(CosineSchedule(warmup_epochs=2), steps_per_epoch=1, epochs=5)
    assert got == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0], abs=1e-15)


@pytest.mark.parametrize("schedule", [StepSchedule(), CosineSchedule(), ConstantSchedule()])
def test_a_single_step_is_taken_at_the_whole_rate(schedule: Schedule) -> None:
    assert factors(schedule, 1, 1) == [1.0]


def test_a_warmup_longer_than_training_never_ends() -> None:
    assert factors(CosineSchedule(warmup_epochs=4), 1, 2) == [0.25, 0.5]
