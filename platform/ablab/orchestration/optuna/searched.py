"""An Optuna study read back as the points of a search, with importances by PED-ANOVA."""

from __future__ import annotations

import json
from collections.abc import Mapping

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from ablab.comparison.searched import Point, PointState, SearchReport
from ablab.orchestration.optuna.database import open_storage, readable
from ablab.orchestration.optuna.space import choice, levels
from ablab.orchestration.search_declared import DeclaredSearch
from ablab.paths import Paths
from ablab.spec.experiment import Level
from ablab.spec.identity import flatten
from ablab.spec.space import Range, Space, n_points

_STATES: Mapping[TrialState, PointState] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_BEST_POINTS = 5
"""PED-ANOVA asks what sets the best points apart; Optuna's manual wants at least so many of them."""
_LEAST_POINTS = 2 * _BEST_POINTS
"""Complete points below which no importance is given: the best half would be fewer than five."""


def searched(declared: DeclaredSearch, paths: Paths) -> SearchReport:
    """The search as Optuna has it; a point that was drawn again after a failure counts once, as it is now."""
    with readable(paths):
        study = optuna.load_study(study_name=declared.optuna_name, storage=open_storage(paths))
        trials = study.get_trials(deepcopy=False)
    held = flatten(declared.base)
    last = {
        json.dumps(trial.params, sort_keys=True): trial
        for trial in trials
        if trial.params.keys() == declared.space.keys()
    }
    points = tuple(
        _point(trial, declared.space, held) for trial in sorted(last.values(), key=lambda trial: trial.number)
    )
    return SearchReport(
        study=declared.study,
        objective=declared.search.objective,
        direction=declared.search.direction,
        n_seeds=declared.search.seeds_per_trial,
        planned=n_points(declared.search, declared.space),
        points=points,
        importance=_importance(study),
        log_scaled=frozenset(
            key for key, axis in declared.space.items() if isinstance(axis, Range) and axis.log
        ),
    )


def _point(trial: FrozenTrial, space: Space, held: Mapping[str, Level]) -> Point:
    found = levels(trial.params, space)
    attributes = trial.user_attrs
    return Point(
        number=trial.number,
        levels=found,
        state=_STATES.get(trial.state, "open"),
        value=trial.value,
        seconds=attributes.get("seconds"),
        reason=attributes.get("reason"),
        is_base=all(choice(held.get(key)) == choice(level) for key, level in found.items()),
    )


def _importance(study: optuna.Study) -> dict[str, float] | None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _LEAST_POINTS or len({trial.value for trial in complete}) < 2:
        return None
    share = min(0.5, max(0.1, _BEST_POINTS / len(complete)))
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    return {key: float(value) for key, value in found.items()}
