"""A search's points in a real Optuna database, with runs that are told and not trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from scipy.stats import wilcoxon

from ablab.orchestration.events import Advanced, Finished
from ablab.orchestration.optuna.point import Ended
from ablab.orchestration.optuna.search import Earlier, SearchStudy, earlier, forget
from ablab.paths import Paths
from ablab.spec.load_search import LoadedSearch, load_search
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial

BASE = "name: base\ntraining: {epochs: 2, evaluate_every: 1, learning_rate: 1.0e-3}\n"
SEARCH = """
kind: search
name: s
base: base.yaml
space:
  improvements.gradient_scale: {low: 1.0, high: 4.0}
  training.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
"""
GRID = """
kind: search
name: s
base: base.yaml
space:
  improvements.residual: [none, gated]
  training.batch_size: {low: 8, high: 24, step: 8}
sampler: grid
seeds_per_trial: 1
"""
Load = Callable[..., LoadedSearch]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "base.yaml").write_text(BASE)

    def of(more: str = "", text: str = SEARCH) -> LoadedSearch:
        (tmp_path / "s.yaml").write_text(text + more)
        return load_search(tmp_path / "s.yaml")

    return of


def opened(loaded: LoadedSearch, paths: Paths, done: dict[str, Ended] | None = None) -> SearchStudy:
    return SearchStudy(loaded, "data", paths, code="now", done=done, note=lambda text: None)


def stored(study: SearchStudy, paths: Paths) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=study.name, storage=f"sqlite:///{paths.optuna_db}").trials


def ask(study: SearchStudy) -> Trial | None:
    return study.ask(lambda waiting: waiting[0])


def finish(study: SearchStudy, trial: Trial, r: float, subjects: tuple[SubjectScore, ...] = ()) -> None:
    study.finished(Finished(trial.key, "run", 1.0, {"validation/pearson": r, "test/pearson": 0.9}, subjects))


def course(study: SearchStudy, trial: Trial, *curve: float) -> bool:
    """Tell a curve, then the end; False where the trial was told to end on the way."""
    for epoch, r in enumerate(curve, 1):
        study.advanced(Advanced(trial.key, epoch, len(curve), {"validation/pearson": r}))
        if trial.key in study.unwanted():
            study.failed(trial.key, "run")
            return False
    finish(study, trial, max(curve))
    return True


def all_of(study: SearchStudy, r: Callable[[Trial], float]) -> list[Trial]:
    asked = []
    while (trial := ask(study)) is not None:
        asked.append(trial)
        finish(study, trial, r(trial))
    return asked


def test_a_point_is_told_the_mean_over_its_seeds_and_never_a_test_metric(load: Load, paths: Paths) -> None:
    study = opened(load("trials: 2\nseeds_per_trial: 3\n"), paths)
    asked = all_of(study, lambda trial: 0.1 * (trial.seed + 1))
    assert [trial.seed for trial in asked] == [0, 1, 2] * 2
    assert [each.value for each in stored(study, paths)] == pytest.approx([0.2, 0.2])
    for trial, each in zip(asked[::3], stored(study, paths), strict=True):
        assert dict(trial.cell.factors) == each.params


def test_the_first_point_is_the_base_where_the_space_holds_it(load: Load, paths: Paths) -> None:
    study = opened(load("trials: 1\n"), paths)
    first = ask(study)
    assert first is not None
    assert first.cell.factors == {"improvements.gradient_scale": 1.0, "training.learning_rate": 1e-3}


def test_several_points_are_open_at_once_and_all_differ(load: Load, paths: Paths) -> None:
    study = opened(load("trials: 4\nseeds_per_trial: 1\n"), paths)
    together = [ask(study) for _ in range(5)]
    assert together[4] is None
    assert len({trial.key for trial in together if trial}) == 4


def test_an_interrupted_search_draws_on_as_one_that_was_not(load: Load, paths: Paths, tmp_path: Path) -> None:
    loaded = load("trials: 6\nseeds_per_trial: 1\nsampler: {kind: tpe, startup_trials: 2}\n")

    def value(trial: Trial) -> float:
        return float(trial.cell.factors["improvements.gradient_scale"]) / 10  # type: ignore[arg-type]

    whole = [trial.key for trial in all_of(opened(loaded, paths), value)]
    elsewhere = Paths(tmp_path / "elsewhere")
    first = opened(loaded, elsewhere)
    parts = []
    for _ in range(3):
        trial = ask(first)
        assert trial is not None
        finish(first, trial, value(trial))
        parts.append(trial.key)
    parts += [trial.key for trial in all_of(opened(loaded, elsewhere), value)]
    assert parts == whole


def test_what_a_killed_process_left_open_is_drawn_again_without_the_seeds_that_had_finished(
    load: Load, paths: Paths
) -> None:
    loaded = load("trials: 2\nseeds_per_trial: 2\n")
    killed = opened(loaded, paths)
    first = ask(killed)
    assert first is not None
    finish(killed, first, 0.5)
    again = opened(loaded, paths, {first.key: Ended(0.5)})
    asked = all_of(again, lambda trial: 0.1)
    assert len(asked) == 3
    assert first.key not in {trial.key for trial in asked}
    states = [(each.state, each.value) for each in stored(again, paths)]
    assert states == [
        (TrialState.FAIL, None),
        (TrialState.COMPLETE, pytest.approx(0.3)),
        (TrialState.COMPLETE, pytest.approx(0.1)),
    ]
    assert opened(loaded, paths).left == 0


def test_a_failed_point_uses_up_its_turn_and_is_tried_again_the_next_time(load: Load, paths: Paths) -> None:
    loaded = load("trials: 2\nseeds_per_trial: 2\n")
    study = opened(loaded, paths)
    failing = ask(study)
    assert failing is not None
    study.failed(failing.key, None)
    other = all_of(study, lambda trial: 0.1)
    assert len(other) == 2  # the failed point's second seed is not begun
    assert [each.state for each in stored(study, paths)] == [TrialState.FAIL, TrialState.COMPLETE]
    again = [trial.key for trial in all_of(opened(loaded, paths), lambda trial: 0.2)]
    assert failing.key in again
    assert len(again) == 2


def test_the_median_pruner_ends_a_point_below_the_median_of_the_others(load: Load, paths: Paths) -> None:
    loaded = load("trials: 5\nseeds_per_trial: 2\npruner: {kind: median, startup_trials: 3}\n")
    study = opened(loaded, paths)
    for first in (0.1, 0.2, 0.3):
        for _ in range(2):
            trial = ask(study)
            assert trial is not None
            assert course(study, trial, first, first + 0.1)
    above, below = ask(study), ask(study)
    assert above is not None and below is not None and above.cell == below.cell
    assert course(study, above, 0.21, 0.31)  # the median at the first evaluation is 0.2
    assert course(study, below, 0.21, 0.31)
    one, two = ask(study), ask(study)
    assert one is not None and two is not None
    study.advanced(Advanced(one.key, 1, 2, {"validation/pearson": 0.19}))
    assert study.unwanted().keys() == {one.key, two.key}  # the other seed, which is in training, too
    assert study.unwanted() == {}
    study.failed(one.key, None)
    study.failed(two.key, None)
    last = stored(study, paths)[-1]
    assert (last.state, last.value) == (TrialState.PRUNED, 0.19)
    assert "pruned: 0.1900 at evaluation 1" in last.user_attrs["reason"]
    assert ask(study) is None
    assert opened(loaded, paths).left == 0  # a pruned point is done, and not tried again


def test_the_last_evaluation_of_a_seed_spares_the_others_and_that_of_the_last_one_nothing(
    load: Load, paths: Paths
) -> None:
    loaded = load("trials: 5\nseeds_per_trial: 2\npruner: {kind: median, startup_trials: 3}\n")
    study = opened(loaded, paths)
    for first in (0.1, 0.2, 0.3):
        for gain in (0.1, 0.3):  # medians at the four evaluations: .2, .3, .25, .4
            trial = ask(study)
            assert trial is not None
            assert course(study, trial, first, first + gain)
    one, two = ask(study), ask(study)
    assert one is not None and two is not None and one.cell == two.cell
    assert course(study, one, 0.21, 0.31)
    assert course(study, two, 0.21, 0.22)  # below the median, where there is nothing to end any more
    assert stored(study, paths)[-1].state == TrialState.COMPLETE
    one, two = ask(study), ask(study)
    assert one is not None and two is not None
    for epoch, r in ((1, 0.21), (2, 0.22)):
        study.advanced(Advanced(one.key, epoch, 2, {"validation/pearson": r}))
    assert study.unwanted().keys() == {one.key, two.key}


def test_wilcoxon_decides_as_scipy_does_over_pairs_of_seed_and_subject(load: Load, paths: Paths) -> None:
    study = opened(load("trials: 3\nseeds_per_trial: 3\npruner: wilcoxon\n"), paths)
    names = [f"s{number}" for number in range(8)]

    def scores(r: list[float]) -> tuple[SubjectScore, ...]:
        return tuple(SubjectScore(n, 1, 1, each, 0.9, 0.0, 0.0) for n, each in zip(names, r, strict=True))

    best = [0.10 + 0.01 * number for number in range(8)]
    unclear = [r + (0.02 if number % 2 else -0.02) for number, r in enumerate(best)]
    worse = [r - 0.001 * (number + 1) for number, r in enumerate(best)]
    differences = [[ours - r for ours, r in zip(of, best, strict=True)] for of in (unclear, worse)]
    assert (
        wilcoxon(differences[0], alternative="less").pvalue
        > 0.1
        > wilcoxon(differences[1], alternative="less").pvalue
    )
    for _ in range(3):
        trial = ask(study)
        assert trial is not None
        finish(study, trial, sum(best) / 8, scores(best))
    for _ in range(3):
        trial = ask(study)
        assert trial is not None
        finish(study, trial, sum(unclear) / 8, scores(unclear))
        assert study.unwanted() == {}
    trial, running = ask(study), ask(study)
    assert trial is not None and running is not None
    finish(study, trial, sum(worse) / 8, scores(worse))
    assert list(study.unwanted()) == [running.key]
    pruned = stored(study, paths)[-1]
    assert pruned.state == TrialState.PRUNED
    assert pruned.value == pytest.approx(sum(worse) / 8)  # its mean, and no one subject's


def test_hyperband_ends_some_points_and_completes_others(load: Load, paths: Paths) -> None:
    study = opened(load("trials: 12\nseeds_per_trial: 2\npruner: hyperband\n"), paths)
    while (trial := ask(study)) is not None:
        r = float(trial.cell.factors["improvements.gradient_scale"]) / 10  # type: ignore[arg-type]
        course(study, trial, r, r)
    states = [each.state for each in stored(study, paths)]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}


def test_a_grid_tries_every_point_once_also_over_two_processes(load: Load, paths: Paths) -> None:
    loaded = load(text=GRID)
    first = opened(loaded, paths)
    assert first.left == 6
    for _ in range(2):
        trial = ask(first)
        assert trial is not None
        finish(first, trial, 0.1)
    all_of(opened(loaded, paths), lambda trial: 0.1)
    points = [
        (each.params["improvements.residual"], each.params["training.batch_size"])
        for each in stored(first, paths)
    ]
    assert sorted(points) == [(residual, n) for residual in ("gated", "none") for n in (8, 16, 24)]


def test_values_that_do_not_fit_one_another_are_told_pruned_and_named(load: Load, paths: Paths) -> None:
    text = GRID.replace("training.batch_size: {low: 8, high: 24, step: 8}", "model.n_heads: [2, 3]").replace(
        "improvements.residual: [none, gated]", "model.d_model: [64, 96]"
    )
    notes: list[str] = []
    study = SearchStudy(load(text=text), "data", paths, code="now", note=notes.append)
    asked = all_of(study, lambda trial: 0.1)
    assert len(asked) == 3
    assert len(notes) == 1 and "do not fit one another" in notes[0]
    assert [each.state for each in stored(study, paths)].count(TrialState.PRUNED) == 1
    assert study.left == 0


def test_a_point_drawn_twice_is_trained_once(load: Load, paths: Paths) -> None:
    text = GRID.replace("sampler: grid", "sampler: random\ntrials: 20")
    study = opened(load(text=text), paths)
    asked = all_of(study, lambda trial: 0.1)
    assert len({trial.key for trial in asked}) == len(asked) <= 6
    assert len([each for each in stored(study, paths) if each.state == TrialState.COMPLETE]) == 20


def test_other_spaces_data_and_seeds_are_other_studies_and_more_trials_are_not(
    load: Load, paths: Paths
) -> None:
    name = opened(load("trials: 2\n"), paths).name
    assert opened(load("trials: 3\nsampler: random\npruner: median\n"), paths).name == name
    assert opened(load("seeds_per_trial: 5\n"), paths).name != name
    assert opened(load(text=SEARCH.replace("4.0", "5.0")), paths).name != name
    assert SearchStudy(load(), "other data", paths, code="now").name != name


def test_the_code_that_made_the_points_is_known_and_a_study_can_be_begun_anew(
    load: Load, paths: Paths
) -> None:
    study = opened(load("trials: 1\nseeds_per_trial: 1\n"), paths)
    assert earlier(study.name, paths) == Earlier("now", 0)
    assert earlier("unheard of", paths) == Earlier(None, 0)
    all_of(study, lambda trial: 0.1)
    assert earlier(study.name, paths) == Earlier("now", 1)
    forget(study.name, paths)
    assert opened(load("trials: 1\nseeds_per_trial: 1\n"), paths).left == 1


def test_to_look_for_a_study_makes_no_database(paths: Paths) -> None:
    assert earlier("unheard of", paths) == Earlier(None, 0)
    assert not paths.optuna_db.exists()
