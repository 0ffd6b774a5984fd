"""A grid as an Optuna study: what is missing is enqueued, asked for, and told when it has ended.

The tracking store decides what is missing; Optuna keeps the order, the values and the failures, so that its
dashboard and importance plots work on a grid. Values are validation r: no test metric is ever told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from ablab.orchestration.events import Advanced, Finished
from ablab.orchestration.optuna.database import open_study, readable
from ablab.orchestration.optuna.space import choice
from ablab.orchestration.queue import Choose
from ablab.paths import Paths
from ablab.spec.experiment import Level
from ablab.spec.identity import digest, flatten
from ablab.spec.trial import Trial

OBJECTIVE = "validation/pearson"
_LARGEST_SEED = 2**32 - 1


def study_name(study: str, factors: Mapping[str, Sequence[Level]]) -> str:
    """``<study>-<hash of the factors>``: Optuna refuses a stored categorical that gains a level.

    >>> study_name("q", {"a": [1, 2]}) == study_name("q", {"a": [1, 2, 3]})
    False
    """
    return f"{study}-{digest({key: list(levels) for key, levels in factors.items()})[:8]}"


class GridStudy:
    """The Optuna side of one grid run; used by one process, which holds the study's lock."""

    def __init__(self, study: str, trials: Sequence[Trial], paths: Paths) -> None:
        factors = _levels(trials)
        self._keys = tuple(factors)
        self._distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(levels) for key, levels in factors.items()
        }
        self._distributions["seed"] = IntDistribution(0, _LARGEST_SEED)
        self._waiting: list[Trial] = []
        self._asked: dict[str, optuna.Trial] = {}
        self._paths = paths
        # Never samples: every parameter is enqueued.
        never = optuna.samplers.RandomSampler(seed=0)
        self._study = open_study(study_name(study, factors), paths, direction="maximize", sampler=never)
        with readable(paths):
            self._end_left_over()

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """Take the trials to run; Optuna learns of each when it starts, as the order is the launcher's."""
        self._waiting.extend(trials)

    def ask(self, choose: Choose) -> Trial | None:
        """The chosen one of the trials that wait, which is running from now on; None where none is chosen."""
        trial = choose(self._waiting)
        if trial is None:
            return None
        with readable(self._paths, patient=True):
            self._study.enqueue_trial(
                {**_factors(trial, self._keys), "seed": trial.seed},
                user_attrs={"key": trial.key, "cell": trial.cell.id, "seed": trial.seed},
            )
            self._asked[trial.key] = self._study.ask(self._distributions)
        self._waiting.remove(trial)
        return trial

    def advanced(self, event: Advanced) -> None:
        """A grid runs every trial to its end, whatever it looks like on the way."""

    def unwanted(self) -> Mapping[str, str]:
        """None: see `advanced`."""
        return {}

    def finished(self, event: Finished) -> None:
        """Tell the validation r of a finished run; without a finite one, that it failed."""
        value = event.metrics.get(OBJECTIVE, math.nan)
        self._tell(event.key, event.run_id, value if math.isfinite(value) else None)

    def failed(self, key: str, run_id: str | None) -> None:
        """Tell that a run failed or was killed."""
        self._tell(key, run_id, None)

    def _tell(self, key: str, run_id: str | None, value: float | None) -> None:
        asked = self._asked[key]
        with readable(self._paths, patient=True):
            if run_id is not None:
                asked.set_user_attr("run_id", run_id)
            if value is None:
                self._study.tell(asked, state=TrialState.FAIL)
            else:
                self._study.tell(asked, value)

    def _end_left_over(self) -> None:
        """A killed orchestrator leaves its trials running for ever; the lock says that it is gone.

        Earlier versions left trials waiting too, which `ask` would be given in place of the one it has added.
        """
        while self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.ask(self._distributions)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)


def _levels(trials: Sequence[Trial]) -> dict[str, list[CategoricalChoiceType]]:
    keys = dict.fromkeys(key for trial in trials for key in trial.cell.factors)
    levels: dict[str, list[CategoricalChoiceType]] = {}
    for trial in trials:
        for key, level in _factors(trial, tuple(keys)).items():
            known = levels.setdefault(key, [])
            if all((type(level), level) != (type(other), other) for other in known):
                known.append(level)
    return levels


def _factors(trial: Trial, keys: Sequence[str]) -> dict[str, CategoricalChoiceType]:
    """The level of every key; of one that is a factor of other cells only, the value in this cell's spec."""
    if not keys:
        return {"cell": trial.cell.id}
    held = {**flatten(trial.cell.experiment), **trial.cell.factors}
    return {key: choice(held.get(key)) for key in keys}
