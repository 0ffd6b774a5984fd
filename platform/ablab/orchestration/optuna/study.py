"""A grid as an Optuna study: what is missing is enqueued, asked for, and told when it has ended.

The tracking store decides what is missing; Optuna keeps the order, the values and the failures, so that its
dashboard and importance plots work on a grid. Values are validation r: no test metric is ever told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import optuna
from filelock import FileLock
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from ablab.errors import StoreError
from ablab.orchestration.events import Advanced, Finished
from ablab.orchestration.queue import Choose
from ablab.paths import Paths
from ablab.spec.experiment import Level
from ablab.spec.identity import digest, flatten
from ablab.spec.trial import Trial

OBJECTIVE = "validation/pearson"
_LARGEST_SEED = 2**32 - 1
_BUSY_SECONDS = 60.0  # SQLite's own default gives up after 5 s, too little beside another study's writer


def study_name(study: str, factors: Mapping[str, Sequence[Level]]) -> str:
    """``<study>-<hash of the factors>``: Optuna refuses a stored categorical that gains a level.

    >>> study_name("q", {"a": [1, 2]}) == study_name("q", {"a": [1, 2, 3]})
    False
    """
    return f"{study}-{digest({key: list(levels) for key, levels in factors.items()})[:8]}"


class GridStudy:
    """The Optuna side of one grid run; used by one process, which holds the study's lock."""

    def __init__(self, study: str, trials: Sequence[Trial], paths: Paths) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        factors = _levels(trials)
        self._keys = tuple(factors)
        self._distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(levels) for key, levels in factors.items()
        }
        self._distributions["seed"] = IntDistribution(0, _LARGEST_SEED)
        self._waiting: list[Trial] = []
        self._asked: dict[str, optuna.Trial] = {}
        self._paths = paths
        try:
            self._study = _open(study_name(study, factors), paths)
            self._end_left_over()
        except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
            raise _store_error(paths, error) from error

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """Take the trials to run; Optuna learns of each when it starts, as the order is the launcher's."""
        self._waiting.extend(trials)

    def ask(self, choose: Choose) -> Trial | None:
        """The chosen one of the trials that wait, which is running from now on; None where none is chosen."""
        trial = choose(self._waiting)
        if trial is None:
            return None
        try:
            self._study.enqueue_trial(
                {**_factors(trial, self._keys), "seed": trial.seed},
                user_attrs={"key": trial.key, "cell": trial.cell.id, "seed": trial.seed},
            )
            self._asked[trial.key] = self._study.ask(self._distributions)
        except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
            raise _store_error(self._paths, error) from error
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
        try:
            if run_id is not None:
                asked.set_user_attr("run_id", run_id)
            if value is None:
                self._study.tell(asked, state=TrialState.FAIL)
            else:
                self._study.tell(asked, value)
        except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
            raise _store_error(self._paths, error) from error

    def _end_left_over(self) -> None:
        """A killed orchestrator leaves its trials running for ever; the lock says that it is gone.

        Earlier versions left trials waiting too, which `ask` would be given in place of the one it has added.
        """
        while self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.ask(self._distributions)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)


def _open(name: str, paths: Paths) -> optuna.Study:
    paths.root.mkdir(parents=True, exist_ok=True)
    lock = paths.lock("optuna.db")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # two processes that create the schema at once fail
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{paths.optuna_db}", engine_kwargs={"connect_args": {"timeout": _BUSY_SECONDS}}
        )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=0),  # never samples: every parameter is enqueued
            load_if_exists=True,
        )


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
    return {key: _choice(held.get(key)) for key in keys}


def _choice(level: Level) -> CategoricalChoiceType:
    return level if level is None or isinstance(level, bool | int | float | str) else json.dumps(level)


def _store_error(paths: Paths, error: Exception) -> StoreError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return StoreError(
        f"the Optuna study in {paths.optuna_db} cannot be used: {lines[0]}\n"
        "it holds nothing that the tracking store does not: where it is damaged, move it away and run again"
    )
