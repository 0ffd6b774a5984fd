from __future__ import annotations

from collections.abc import Sequence

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


def _first(waiting: Sequence[Trial]) -> Trial | None:
    return waiting[0] if waiting else None


def _study(paths: Paths) -> optuna.Study:
    return optuna.load_study(study_name=study_name("quick", LEVELS), storage=f"sqlite:///{paths.optuna_db}")


def _stored(paths: Paths) -> list[optuna.trial.FrozenTrial]:
    return _study(paths).trials


def test_every_trial_is_asked_for_once_in_order_with_its_levels_and_seed(paths: Paths) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS)
    asked = []
    while (found := study.ask(_first)) is not None:
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
        found = study.ask(_first)
        assert found is not None
        study.finished(Finished(found.key, "r", 1.0, metrics))
    found = study.ask(_first)
    assert found is not None
    study.failed(found.key, None)
    stored = _stored(paths)
    assert [each.value for each in stored] == [0.1, None, None]
    assert [each.state for each in stored] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]


def test_what_a_killed_orchestrator_left_running_or_waiting_is_failed(paths: Paths) -> None:
    killed = GridStudy("quick", TRIALS, paths)
    killed.enqueue(TRIALS)
    assert killed.ask(_first) == TRIALS[0]
    _study(paths).enqueue_trial({"improvements.residual": "none", "seed": 0})
    again = GridStudy("quick", TRIALS, paths)
    again.enqueue(TRIALS)
    asked = []
    while (found := again.ask(_first)) is not None:
        asked.append(found.key)
        again.finished(Finished(found.key, "r", 1.0, {"validation/pearson": 0.1}))
    assert sorted(asked) == sorted(each.key for each in TRIALS)
    assert [each.state for each in _stored(paths)] == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 4


def test_trials_start_in_the_order_in_which_they_are_chosen(paths: Paths) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS)
    assert study.ask(lambda waiting: None) is None
    assert study.ask(lambda waiting: waiting[-1]) == TRIALS[-1]
    assert study.ask(_first) == TRIALS[0]
    assert [each.user_attrs["key"] for each in _stored(paths)] == [TRIALS[-1].key, TRIALS[0].key]


def test_a_new_level_opens_another_study(paths: Paths) -> None:
    GridStudy("quick", TRIALS, paths).enqueue(TRIALS)
    more = [*TRIALS, trial("global", 0)]
    study = GridStudy("quick", more, paths)
    study.enqueue(more)
    assert study.ask(_first) == TRIALS[0]


def test_a_new_seed_goes_on_in_the_same_study(paths: Paths) -> None:
    for trials in (TRIALS, [*TRIALS, trial("none", 7)]):
        study = GridStudy("quick", trials, paths)
        study.enqueue(trials[-1:] if len(trials) > 4 else trials)
        while study.ask(_first):
            pass
    assert [each.user_attrs["seed"] for each in _stored(paths)] == [0, 1, 0, 1, 7]


def test_a_database_that_is_none_says_what_to_do(paths: Paths) -> None:
    paths.root.mkdir()
    paths.optuna_db.write_text("this is no database" * 100)
    with pytest.raises(StoreError, match="move it away and run again"):
        GridStudy("quick", TRIALS, paths)


def test_an_address_that_cannot_be_used_is_named_without_its_password(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLAB_OPTUNA_STORAGE", "postgresql+psycopg://me:secret@127.0.0.1:1/optuna")
    with pytest.raises(StoreError) as caught:
        GridStudy("quick", TRIALS, paths)
    assert "postgresql+psycopg://127.0.0.1:1/optuna cannot be used" in str(caught.value)
    assert "mend or unset ABLAB_OPTUNA_STORAGE" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_optuna_says_nothing(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    study = GridStudy("quick", TRIALS, paths)
    study.enqueue(TRIALS)
    found = study.ask(_first)
    assert found is not None
    study.finished(Finished(found.key, "r", 1.0, {"validation/pearson": 0.1}))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
