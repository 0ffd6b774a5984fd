"""Learning rate over a run, as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from ablab.spec.experiment import CosineSchedule, Schedule, StepSchedule


def factor(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by at optimiser step ``step`` (0-based).

    The warm-up rises per step over the first ``warmup_epochs * steps_per_epoch`` steps (rounded), from
    1/W at the first to 1 at the last of its W steps, and multiplies the schedule. ``step`` changes at
    epoch boundaries, counted from the start of training. ``cosine`` falls per step, from 1 at the first step
    behind the warm-up to ``final_fraction`` at the very last step.

    >>> [factor(StepSchedule(step_epochs=2, gamma=0.5), step, 1, 5) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if isinstance(schedule, StepSchedule):
        epoch = step // steps_per_epoch
        return rise * float(schedule.gamma ** (epoch // schedule.step_epochs))
    if isinstance(schedule, CosineSchedule):
        falling = max(1, epochs * steps_per_epoch - 1 - warmup)
        done = min(1.0, max(0, step - warmup) / falling)
        final = schedule.final_fraction
        return rise * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done)))
    return rise
