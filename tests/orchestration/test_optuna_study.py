from __future__ import annotations

import optuna
import pytest
from hand_made import trial
from optuna.trial import TrialState

from ablab.errors import StoreError
from ablab.orchestration.events import Finished
from ablab.orchestration.optuna.study import GridStudy, study_name
from ablab.paths import Paths
from ablab.spec.trial import Trial

TRIALS = [trial(residual, seed) for residual in ("none", "gated") for seed in (0, 1)]
LEVELS = {"improvements.residual": ["none", "gated"]}


def _wanted(trials: list[Trial]) -> dict[str, Trial]:
    return {each.key: each for each in trials}


def _stored(paths: Paths) -> list[optuna.trial.FrozenTrial]:
    name = study_name("quick", LEVELS)
    return optuna.load_study(study_name=name, storage=f"sqlite:///{paths.optuna_db}").trials


def test_every_trial_is_asked_for_once_in_order_with_its_levels_and_seed(paths: Paths) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS)
    asked = []
    while (found := study.ask(_wanted(TRIALS))) is not None:
        asked.append(found)
        study.finished(
            Finished(found.key, f"run-{found.seed}", 1.0, {"validation/pearson": 0.1, "test/pearson": 0.9})
        )
    assert asked == TRIALS
    stored = _stored(paths)
    assert [each.params for each in stored] == [
        {"improvements.residual": each.cell.factors["improvements.residual"], "seed": each.seed}
        for each in TRIALS
    ]
    assert [each.user_attrs for each in stored] == [
        {"key": each.key, "cell": each.cell.id, "seed": each.seed, "run_id": f"run-{each.seed}"}
        for each in TRIALS
    ]


def test_the_value_is_validation_r_and_never_a_test_metric(paths: Paths) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS[:3])
    for metrics in ({"validation/pearson": 0.1, "test/pearson": 0.9}, {"test/pearson": 0.9}):
        found = study.ask(_wanted(TRIALS))
        assert found is not None
        study.finished(Finished(found.key, "r", 1.0, metrics))
    found = study.ask(_wanted(TRIALS))
    assert found is not None
    study.failed(found.key, None)
    stored = _stored(paths)
    assert [each.value for each in stored] == [0.1, None, None]
    assert [each.state for each in stored] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]


def test_what_a_killed_orchestrator_left_running_is_failed_and_what_waits_is_not_doubled(
    paths: Paths,
) -> None:
    killed = GridStudy("quick", TRIALS, paths)
    killed.enqueue(TRIALS)
    assert killed.ask(_wanted(TRIALS)) == TRIALS[0]
    again = GridStudy("quick", TRIALS, paths)
    again.enqueue(TRIALS)
    asked = []
    while (found := again.ask(_wanted(TRIALS))) is not None:
        asked.append(found.key)
        again.finished(Finished(found.key, "r", 1.0, {"validation/pearson": 0.1}))
    assert sorted(asked) == sorted(each.key for each in TRIALS)
    assert [each.state for each in _stored(paths)] == [TrialState.FAIL] + [TrialState.COMPLETE] * 4


def test_what_waits_but_is_done_meanwhile_is_not_run(paths: Paths) -> None:
    GridStudy("quick", TRIALS, paths).enqueue(TRIALS)
    again = GridStudy("quick", TRIALS, paths)
    left = TRIALS[2:]
    again.enqueue(left)
    wanted = _wanted(left)
    assert [again.ask(wanted), again.ask(wanted), again.ask(wanted)] == [*left, None]


def test_a_new_level_opens_another_study(paths: Paths) -> None:
    GridStudy("quick", TRIALS, paths).enqueue(TRIALS)
    more = [*TRIALS, trial("global", 0)]
    study = GridStudy("quick", more, paths)
    study.enqueue(more)
    assert study.ask(_wanted(more)) == TRIALS[0]


def test_a_new_seed_goes_on_in_the_same_study(paths: Paths) -> None:
    GridStudy("quick", TRIALS, paths).enqueue(TRIALS)
    GridStudy("quick", [*TRIALS, trial("none", 7)], paths).enqueue([trial("none", 7)])
    assert [each.user_attrs["seed"] for each in _stored(paths)] == [0, 1, 0, 1, 7]


def test_a_database_that_is_none_says_what_to_do(paths: Paths) -> None:
    paths.root.mkdir()
    paths.optuna_db.write_text("this is no database" * 100)
    with pytest.raises(StoreError, match="move it away and run again"):
        GridStudy("quick", TRIALS, paths)


def test_optuna_says_nothing(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS)
    found = study.ask(_wanted(TRIALS))
    assert found is not None
    study.finished(Finished(found.key, "r", 1.0, {"validation/pearson": 0.1}))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
