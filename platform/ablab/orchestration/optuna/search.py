"""A search as an Optuna study: points are drawn, told their value or ended early, and survive the process.

One Optuna trial is one point with all its seeds. The study's name has a hash of what its values depend on.
What a killed process left open is drawn again; what of it had finished is not trained again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from ablab.designs.labels import cell_id, label
from ablab.errors import SpecError
from ablab.orchestration.events import Advanced, Finished
from ablab.orchestration.optuna.database import exists, open_storage, open_study, readable
from ablab.orchestration.optuna.point import Ended, RunningPoint, evaluations
from ablab.orchestration.optuna.space import distributions, every_point, levels, params, pruner, sampler
from ablab.orchestration.queue import Choose
from ablab.paths import Paths
from ablab.spec.experiment import Level
from ablab.spec.identity import digest, flatten, trial_key
from ablab.spec.load import with_values
from ablab.spec.load_search import LoadedSearch
from ablab.spec.search import EveryPoint, NoPruner, Wilcoxon
from ablab.spec.space import n_points
from ablab.spec.trial import Cell, Trial

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_MEAN = 2**20
"""Step behind those of all pairs of seed and subject."""
_FIXED = "fixed_params"  # where Optuna keeps the parameters of a point that waits


def study_name(loaded: LoadedSearch, data: str) -> str:
    """``<study>-<hash>`` of space, base, data, objective and seeds, on which the values depend."""
    content = {
        "space": {key: [type(axis).__name__, *astuple(axis)] for key, axis in loaded.space.items()},
        "base": trial_key(loaded.searched, data, 0),
        "objective": loaded.search.objective,
        "seeds": loaded.search.seeds,
    }
    return f"{loaded.study}-{digest(content)[:8]}"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier processes left of a study."""

    code: str | None = None
    """Fingerprint of the code that trained its points; None where it has none yet."""
    n_ended: int = 0
    """Points that are not to be trained again."""


class SearchStudy:
    """The queue of a search; used by one process, which holds the study's lock."""

    def __init__(
        self,
        loaded: LoadedSearch,
        data: str,
        paths: Paths,
        *,
        code: str,
        done: Mapping[str, Ended] | None = None,
        note: Callable[[str], None] = print,
    ) -> None:
        """done: finished runs of earlier processes, by key. note: told what people should know."""
        self._loaded, self._data, self._paths, self._note = loaded, data, paths, note
        search = loaded.search
        self._base = loaded.searched
        self._drawn_from = distributions(loaded.space)
        self._pruner = search.pruner
        self._done = dict(done or {})
        self._open: list[RunningPoint] = []
        self._asked: dict[int, optuna.Trial] = {}
        self._taken: set[str] = set()
        self._over: dict[str, str] = {}
        """Keys that failed or were ended in this process -> why."""
        self._unwanted: dict[str, str] = {}
        self._failed = 0
        n_steps = len(evaluations(self._base.training)) * search.seeds_per_trial
        self._study = open_study(
            study_name(loaded, data), paths, direction=search.direction, pruner=pruner(search.pruner, n_steps)
        )
        with readable(paths):
            self._take_up(code)

    @property
    def name(self) -> str:
        """Name of the Optuna study."""
        return self._study.study_name

    @property
    def left(self) -> int:
        """Points that are still to be trained."""
        with readable(self._paths):
            ended = self._study.get_trials(deepcopy=False, states=_ENDED)
        return max(
            0, n_points(self._loaded.search, self._loaded.space) - len(ended) - len(self._open) - self._failed
        )

    def enqueue(self, trials: Sequence[Trial]) -> None:
        """See `Queue.enqueue`; a search draws its own trials."""
        assert not trials, "a search draws its own trials"

    def ask(self, choose: Choose) -> Trial | None:
        """A seed of an open point, or of a new one; None where all is drawn or there is no room."""
        with readable(self._paths, patient=True):
            while not (waiting := self._waiting()):
                if self.left == 0 or not self._draw():
                    return None
        trial = choose(waiting)
        if trial is not None:
            self._taken.add(trial.key)
        return trial

    def _waiting(self) -> list[Trial]:
        """Seeds of open points that were not handed out, once each."""
        return list(
            {
                trial.key: trial
                for point in self._open
                for trial in point.trials
                if point.failed is None and trial.key not in self._taken | point.ended.keys()
            }.values()
        )

    def advanced(self, event: Advanced) -> None:
        """Feed the pruner, where the trial has been evaluated."""
        with readable(self._paths, patient=True):
            for point in self._with(event.key):
                point.advance(event.key, event.epoch, event.values)
                # At the very last evaluation nothing is left to spare: the end of the point follows at once.
                others_ended = len(point.ended) == len(point.trials) - 1
                self._judge(point, may_prune=not (event.epoch == event.epochs and others_ended))

    def unwanted(self) -> Mapping[str, str]:
        """Trials of points that were pruned since the last call."""
        unwanted, self._unwanted = self._unwanted, {}
        return unwanted

    def finished(self, event: Finished) -> None:
        """Take the value of a seed; with the last one the point is told."""
        objective = self._loaded.search.objective
        with readable(self._paths, patient=True):
            for point in self._with(event.key):
                value = event.metrics.get(objective, point.last_value(event.key))
                self._done[event.key] = point.ended[event.key] = Ended(value, event.subjects, event.seconds)
                self._judge(point)

    def failed(self, key: str, run_id: str | None) -> None:
        """A seed has failed or was killed: so has the point, once none of its seeds is trained any more."""
        self._over.setdefault(key, "a run of it failed, or was interrupted")
        with readable(self._paths, patient=True):
            for point in self._with(key):
                point.failed = self._over[key]
                self._give_up(point)

    def _take_up(self, code: str) -> None:
        """Bring what earlier processes left into order: nobody else works on it, the lock says."""
        self._study.set_user_attr("code", code)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
        last: dict[str, FrozenTrial] = {}
        for trial in self._study.get_trials(deepcopy=False):
            last[_point_key(trial)] = trial
        for trial in last.values():
            if trial.state == TrialState.FAIL and trial.params:
                self._study.enqueue_trial(trial.params)
        if not last and (base := self._base_levels()) is not None:
            self._study.enqueue_trial(params(base, self._loaded.space))

    def _base_levels(self) -> dict[str, Level] | None:
        """The base's own point, where the space holds it: it is tried first."""
        held = flatten(self._base)
        inside = all(key in held and axis.holds(held[key]) for key, axis in self._loaded.space.items())
        return {key: held[key] for key in self._loaded.space} if inside else None

    def _draw(self) -> bool:
        """Open a point, or tell at once one that needs no training; False where no point is left."""
        search = self._loaded.search
        trials = self._study.get_trials(deepcopy=False)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if isinstance(search.sampler, EveryPoint) and not waiting:
            known = {_point_key(trial) for trial in trials}
            every = (
                params(each, self._loaded.space)
                for each in every_point(self._loaded.space, search.sampler.seed)
            )
            point = next((each for each in every if digest(each) not in known), None)
            if point is None:
                return False
            self._study.enqueue_trial(point)
        self._study.sampler = sampler(search.sampler, len(trials))
        asked = self._study.ask(self._drawn_from)
        drawn = levels(asked.params, self._loaded.space)
        try:
            experiment = with_values(self._base, drawn)
        except SpecError as error:
            # Told pruned and not failed: the sampler learns to keep away, and the search goes on.
            reason = f"its values do not fit one another: {error.problems[0].reason}"
            asked.set_user_attr("reason", reason)
            self._study.tell(asked, state=TrialState.PRUNED)
            self._note(f"point {asked.number} ({cell_id(drawn)}) is left out: {reason}")
            return True
        cell = Cell(cell_id(drawn), f"p{asked.number} · {label(rounded(drawn))}", drawn, experiment)
        of_point = tuple(
            Trial(trial_key(experiment, self._data, seed), self._loaded.study, cell, seed, self._data)
            for seed in search.seeds
        )
        point_ = RunningPoint(asked.number, drawn, of_point, search.objective)
        self._asked[asked.number] = asked
        self._open.append(point_)
        for trial in of_point:
            if trial.key in self._done:
                point_.ended[trial.key] = self._done[trial.key]
            elif trial.key in self._over:
                point_.failed = self._over[trial.key]
        if point_.failed is not None:
            self._give_up(point_)
        else:
            self._judge(point_)
        return True

    def _with(self, key: str) -> Iterator[RunningPoint]:
        """Open points with this trial: several, where the sampler drew one twice."""
        yield from [point for point in self._open if any(trial.key == key for trial in point.trials)]

    def _judge(self, point: RunningPoint, *, may_prune: bool = True) -> None:
        """Tell the point where it is complete; end it where the pruner says so and may."""
        if point.failed is not None:
            self._give_up(point)
            return
        asked = self._asked[point.number]
        by_subject = isinstance(self._pruner, Wilcoxon)
        new = list(point.instances() if by_subject else point.steps())
        for step, value in new:
            if math.isfinite(value):
                asked.report(value, step)
            if may_prune and not by_subject and not point.is_complete and self._prunes(asked):
                self._prune(point, f"pruned: {value:.4f} at evaluation {step}")
                return
        if point.is_complete:
            self._tell(point)
        elif by_subject and new and self._prunes(asked):
            # The last value that was reported stands for a pruned point: its mean, and no one subject's.
            asked.report(point.value, _MEAN)
            self._prune(
                point, f"pruned: {point.value:.4f} after {len(point.ended)} of {len(point.trials)} seeds"
            )

    def _prunes(self, asked: optuna.Trial) -> bool:
        return not isinstance(self._pruner, NoPruner) and asked.should_prune()

    def _prune(self, point: RunningPoint, reason: str) -> None:
        self._close(point, reason, TrialState.PRUNED)
        for trial in point.trials:
            if trial.key in point.ended:
                continue
            self._over[trial.key] = reason
            if trial.key in self._taken and not any(self._with(trial.key)):
                self._unwanted[trial.key] = reason

    def _tell(self, point: RunningPoint) -> None:
        if not math.isfinite(point.value):
            self._close(point, f"its runs have no finite {point.objective}", TrialState.FAIL)
            self._failed += 1
            return
        self._close(point, None, None)

    def _give_up(self, point: RunningPoint) -> None:
        """Tell a point failed once none of its seeds is trained any more."""
        keys = {trial.key for trial in point.trials} & self._taken
        if keys <= point.ended.keys() | self._over.keys():
            self._failed += 1
            self._close(point, point.failed, TrialState.FAIL)

    def _close(self, point: RunningPoint, reason: str | None, state: TrialState | None) -> None:
        asked = self._asked.pop(point.number)
        self._open.remove(point)
        asked.set_user_attr("seconds", point.seconds)
        asked.set_user_attr("values", [end.value for end in point.ended.values() if math.isfinite(end.value)])
        if reason is not None:
            asked.set_user_attr("reason", reason)
        if state is None:
            self._study.tell(asked, point.value)
        else:
            self._study.tell(asked, state=state)


def rounded(point: Mapping[str, Level]) -> dict[str, Level]:
    """Levels short enough for a label; the run's spec holds them exactly.

    >>> rounded({"training.learning_rate": 0.00012345678, "training.epochs": 20})
    {'training.learning_rate': 0.000123, 'training.epochs': 20}
    """
    return {key: float(f"{level:.3g}") if isinstance(level, float) else level for key, level in point.items()}


def _point_key(trial: FrozenTrial) -> str:
    return digest(trial.params or trial.system_attrs.get(_FIXED, {}))


def earlier(name: str, paths: Paths) -> Earlier:
    """What is there of a study; looking makes neither the study nor the file of the database."""
    if not exists(paths):
        return Earlier()
    with readable(paths):
        storage = open_storage(paths)
        if name not in optuna.get_all_study_names(storage):
            return Earlier()
        study = optuna.load_study(study_name=name, storage=storage)
        return Earlier(study.user_attrs.get("code"), len(study.get_trials(deepcopy=False, states=_ENDED)))


def forget(name: str, paths: Paths) -> None:
    """Take a study out of Optuna's database, so that the search begins anew; its runs stay in the store."""
    with readable(paths):
        optuna.delete_study(study_name=name, storage=open_storage(paths))
