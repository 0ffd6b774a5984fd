"""A search's space, sampler and pruner in Optuna's terms, and Optuna's parameters back as levels."""

from __future__ import annotations

import itertools
import json
import random
import warnings
from collections.abc import Mapping

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ablab.spec.experiment import Level
from ablab.spec.identity import digest
from ablab.spec.search import Hyperband, Median, Pruner, Sampler, Tpe, Wilcoxon
from ablab.spec.space import Axis, Choices, Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """What every parameter is drawn from."""
    return {key: _distribution(axis) for key, axis in space.items()}


def levels(params: Mapping[str, CategoricalChoiceType], space: Space) -> dict[str, Level]:
    """A drawn point as levels of its keys."""
    return {key: _level(params[key], axis) for key, axis in space.items()}


def params(point: Mapping[str, Level], space: Space) -> dict[str, CategoricalChoiceType]:
    """Levels as a point that can be enqueued."""
    return {key: choice(point[key]) for key in space}


def choice(level: Level) -> CategoricalChoiceType:
    """A level as Optuna keeps it: what it cannot keep, such as a list, as JSON."""
    return level if level is None or isinstance(level, bool | int | float | str) else json.dumps(level)


def sampler(of: Sampler, number: int) -> optuna.samplers.BaseSampler:
    """The sampler that draws point ``number``.

    Every point has a seed of its own, so that a search which was interrupted draws on as one which was not.
    """
    seed = int(digest([of.seed, number])[:8], 16)
    if isinstance(of, Tpe):
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=of.startup_trials, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)  # every point of a grid is enqueued, and none drawn


def every_point(space: Space, seed: int) -> list[dict[str, Level]]:
    """All points of a space that can be counted, shuffled."""
    axes = [axis.levels or () for axis in space.values()]
    points = [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]
    random.Random(seed).shuffle(points)
    return points


def pruner(of: Pruner, n_steps: int) -> optuna.pruners.BasePruner:
    """The pruner; ``n_steps`` evaluations make a complete point."""
    if isinstance(of, Median):
        return optuna.pruners.MedianPruner(of.startup_trials, n_warmup_steps=of.warmup_evaluations + 1)
    if isinstance(of, Hyperband):
        return optuna.pruners.HyperbandPruner(1, n_steps, of.reduction_factor)
    if isinstance(of, Wilcoxon):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.pruners.WilcoxonPruner(p_threshold=of.p_threshold)
    return optuna.pruners.NopPruner()


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution([choice(level) for level in axis.levels])
    if axis.whole:
        step = 1 if axis.step is None else round(axis.step)
        return IntDistribution(round(axis.low), round(axis.high), log=axis.log, step=step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def _level(value: CategoricalChoiceType, axis: Axis) -> Level:
    if isinstance(axis, Choices):
        return next(level for level in axis.levels if _same(choice(level), value))
    return value


def _same(one: CategoricalChoiceType, other: CategoricalChoiceType) -> bool:
    return (type(one), one) == (type(other), other)
