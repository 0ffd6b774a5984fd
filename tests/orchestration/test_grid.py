"""Grids of the smallest size, trained inline into a store in memory."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tiny

from ablab.errors import InputError, NotFoundError, StaleRunsError, StudyLockedError
from ablab.orchestration.declared import analysis_of
from ablab.orchestration.events import Advanced, Emit, Failed, Started
from ablab.orchestration.grid import run_grid
from ablab.orchestration.launcher_table import find_launcher
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.lock import study_lock
from ablab.orchestration.preparation import planned
from ablab.orchestration.progress import Silence
from ablab.orchestration.queue import Untold
from ablab.orchestration.selection import Selection
from ablab.orchestration.session import Session
from ablab.orchestration.worker import train
from ablab.paths import Paths
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.trial import Trial
from ablab.tracking import provenance
from ablab.tracking.memory import MemoryStore


class Told(Silence):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.course: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.warned: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warning(self, trial: Trial, text: str) -> None:
        self.warned.append(text)

    def started(self, trial: Trial, run_id: str) -> None:
        self.course.append(("started", trial.name))

    def advanced(self, trial: Trial, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        self.course.append((f"epoch {epoch}/{epochs}", trial.name))

    def finished(self, trial: Trial, seconds: float, metrics: Mapping[str, float]) -> None:
        self.course.append(("finished", trial.name))

    def failed(self, trial: Trial, run_id: str | None, error: str) -> None:
        self.course.append(("failed", trial.name))

    def killed(self, trial: Trial, reason: str) -> None:
        self.course.append(("killed", trial.name))


class Interrupts(Told):
    """Asks for an end as soon as the first trial has trained an epoch."""

    def advanced(self, trial: Trial, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def grid(tmp_path: Path) -> LoadedGrid:
    return tiny.loaded(tmp_path)


def _diverging(folder: Path) -> LoadedGrid:
    """The second cell's learning rate makes the loss infinite."""
    tiny.write(folder, epochs=3)
    experiment = (folder / "tiny.yaml").read_text().replace("preset: cheap", "preset: off")
    (folder / "tiny.yaml").write_text(experiment)
    text = (folder / "grid.yaml").read_text().replace("improvements.mlp_head: [false, true]", "%s")
    (folder / "grid.yaml").write_text(text % "training.learning_rate: [1.0e-3, 1.0e+30]")
    return load_grid(folder / "grid.yaml")


def test_a_grid_trains_every_trial_once_and_the_second_time_none(
    grid: LoadedGrid, paths: Paths, store: MemoryStore
) -> None:
    told = Told()
    first = run_grid(grid, paths=paths, store=store, launcher="inline", progress=told)
    assert (first.study, first.trials, first.completed, first.exit_code) == ("tinygrid", 2, 2, 0)
    assert told.course == [
        (step, name) for name in ("linear · s0", "mlp · s0") for step in ("started", "epoch 1/1", "finished")
    ]
    assert told.notes  # that simulated data are made up
    records = store.records("tinygrid")
    assert [record.status for record in records] == ["finished", "finished"]
    assert all(len(record.subjects) == 2 for record in records)
    again = run_grid(grid, paths=paths, store=store, launcher="inline")
    assert (again.completed, again.skipped, again.trials) == (0, 2, 2)
    assert [record.run_id for record in store.records("tinygrid")] == [record.run_id for record in records]


def test_artifacts_are_kept_and_the_working_folder_is_gone(
    grid: LoadedGrid, paths: Paths, store: MemoryStore
) -> None:
    run_grid(grid, paths=paths, store=store, launcher="inline")
    run_id = store.records("tinygrid")[0].run_id
    for name in ("best.pt", "per_subject.csv", "predictions.npz", "train.log"):
        assert store.artifact(run_id, name).stat().st_size > 0
    with np.load(store.artifact(run_id, "predictions.npz")) as predictions:
        assert len(predictions.files) > 0
    assert list((paths.root / "runs").iterdir()) == []
    live = sorted(folder.name[:-7] for folder in (paths.tensorboard / "tinygrid").iterdir())
    assert live == ["linear-s0", "mlp-s0"]


def test_the_study_declares_its_contrast(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    assert analysis_of("tinygrid", paths) is None
    run_grid(grid, paths=paths, store=store, launcher="inline")
    declared = analysis_of("tinygrid", paths)
    assert declared is not None
    assert (declared.reference, declared.treatment) == ("mlp_head=false", "mlp_head=true")
    assert declared.analysis == grid.grid.analysis


def test_a_failed_trial_is_named_the_grid_goes_on_and_the_next_run_retries_it(
    tmp_path: Path, paths: Paths, store: MemoryStore
) -> None:
    grid = _diverging(tmp_path)
    for _ in range(2):
        result = run_grid(grid, paths=paths, store=store, launcher="inline", stale="keep")
        assert (result.failed, result.exit_code) == (1, 1)
        failure = result.failures[0]
        assert failure.cell == "learning_rate=1.0e+30"
        assert failure.error.startswith("the loss is not finite at step ")
    state = next(state for state in store.states("tinygrid") if state.status == "failed")
    assert state.key == failure.key
    assert "Traceback" in store.artifact(state.run_id, "traceback.txt").read_text()
    assert result.skipped == 1


def test_fail_fast_ends_at_the_first_failure(tmp_path: Path, paths: Paths, store: MemoryStore) -> None:
    grid = _diverging(tmp_path)
    text = grid.source.read_text().replace("[1.0e-3, 1.0e+30]", "[1.0e+30, 1.0e-3]")
    grid.source.write_text(text)
    result = run_grid(load_grid(grid.source), paths=paths, store=store, launcher="inline", fail_fast=True)
    assert (result.failed, result.not_started, result.completed) == (1, 1, 0)


def test_stale_runs_stop_before_anything_is_trained(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_grid(grid, paths=paths, store=store, launcher="inline")
    states = store.states("tinygrid")
    monkeypatch.setattr("ablab.orchestration.grid.code_fingerprint", lambda: "changed")
    with pytest.raises(StaleRunsError, match="2 finished runs were made by other code"):
        run_grid(grid, paths=paths, store=store, launcher="inline")
    kept = run_grid(grid, paths=paths, store=store, launcher="inline", stale="keep")
    assert kept.skipped == 2
    assert store.states("tinygrid") == states
    rerun = run_grid(grid, paths=paths, store=store, launcher="inline", stale="rerun")
    assert rerun.completed == 2
    assert {state.run_id for state in store.states("tinygrid")}.isdisjoint(state.run_id for state in states)


def test_force_runs_one_cell_again(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    run_grid(grid, paths=paths, store=store, launcher="inline")
    result = run_grid(grid, paths=paths, store=store, launcher="inline", force=["mlp"])
    assert (result.completed, result.skipped) == (1, 1)
    assert len(store.states("tinygrid")) == 2
    with pytest.raises(NotFoundError, match="did you mean 'mlp_head=true'"):
        run_grid(grid, paths=paths, store=store, launcher="inline", force=["mlp_head=treu"])


def test_an_interruption_closes_the_run_as_killed_and_the_next_run_goes_on(
    grid: LoadedGrid, paths: Paths, store: MemoryStore
) -> None:
    result = run_grid(grid, paths=paths, store=store, launcher="inline", progress=Interrupts())
    assert (result.killed, result.not_started, result.completed) == (1, 1, 0)
    assert (result.interrupted, result.exit_code) == (True, 130)
    assert [state.status for state in store.states("tinygrid")] == ["killed"]
    again = run_grid(grid, paths=paths, store=store, launcher="inline")
    assert (again.completed, again.exit_code) == (2, 0)
    assert len(store.states("tinygrid")) == 2


def test_a_locked_study_is_refused(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    with (
        study_lock("tinygrid", paths, MemoryStore()),
        pytest.raises(StudyLockedError, match=f"process {os.getpid()}"),
    ):
        run_grid(grid, paths=paths, store=store, launcher="inline")


def test_an_unknown_launcher_is_refused(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    with pytest.raises(InputError, match=r"--launcher: no launcher 'locla' \(did you mean 'local'\?\)"):
        run_grid(grid, paths=paths, store=store, launcher="locla")
    assert store.studies() == ()


def test_a_launcher_that_refuses_leaves_nothing_declared(
    grid: LoadedGrid, paths: Paths, store: MemoryStore
) -> None:
    with pytest.raises(InputError, match="--launcher slurm: trials on other machines record"):
        run_grid(grid, paths=paths, store=store, launcher="slurm")
    assert analysis_of("tinygrid", paths) is None


def test_inline_and_local_give_the_same_bits(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    from ablab.tracking.open import open_store

    run_grid(grid, paths=paths, store=store, launcher="inline")
    shared = open_store(paths)
    result = run_grid(grid, paths=paths, store=shared, launcher="local", workers=2)
    assert result.completed == 2
    here = {record.key: record.metrics for record in store.records("tinygrid")}
    there = {record.key: record.metrics for record in shared.records("tinygrid")}
    assert here.keys() == there.keys()
    for key, metrics in here.items():
        for name in ("test/pearson", "validation/pearson", "train/loss", "weights/front_change"):
            assert there[key][name] == metrics[name]


def test_records_carry_the_code_that_made_them(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    run_grid(grid, paths=paths, store=store, launcher="inline")
    assert {state.code_fingerprint for state in store.states("tinygrid")} == {provenance.code_fingerprint()}


def _dying(times: int) -> Callable[..., None]:
    """An act whose worker dies so often for each trial, once its run is open, before it trains."""
    died: Counter[str] = Counter()

    def act(trial: Trial, place: Place, emit: Emit, *, store: MemoryStore) -> None:
        died[trial.key] += 1
        if died[trial.key] > times:
            train(trial, place, emit, store=store)
            return
        run_id = store.open_run(trial).run_id
        emit(Started(trial.key, run_id))
        emit(Failed(trial.key, run_id, "the worker was killed", closed=False, cause="died"))

    return act


def test_a_trial_whose_worker_died_is_tried_again_in_the_same_run(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablab.orchestration.session.train", _dying(2))
    told = Told()
    result = run_grid(grid, paths=paths, store=store, launcher="inline", progress=told)
    assert (result.completed, result.failed, result.trials) == (2, 0, 2)
    assert [state.status for state in store.states("tinygrid")] == ["finished", "finished"]
    assert told.warned[:2] == [
        "the worker was killed; retry 1 of 2, from its last checkpoint",
        "the worker was killed; retry 2 of 2, from its last checkpoint",
    ]
    assert told.course.count(("finished", "mlp · s0")) == 1
    assert ("failed", "mlp · s0") not in told.course


def test_a_trial_that_keeps_dying_fails_and_the_grid_goes_on(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablab.orchestration.session.train", _dying(2))
    result = run_grid(grid, paths=paths, store=store, launcher="inline", max_retries=1)
    assert (result.completed, result.failed, result.trials, result.exit_code) == (0, 2, 2, 1)
    assert [state.status for state in store.states("tinygrid")] == ["failed", "failed"]


def test_a_run_that_was_finished_when_its_worker_died_is_not_trained_again(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(trial: Trial, place: Place, emit: Emit, *, store: MemoryStore) -> None:
        writer = store.open_run(trial)
        writer.finish({"test/pearson": 0.5}, ())
        emit(Failed(trial.key, writer.run_id, "the worker was killed", closed=False, cause="died"))

    monkeypatch.setattr("ablab.orchestration.session.train", act)
    result = run_grid(grid, paths=paths, store=store, launcher="inline")
    assert (result.completed, result.failed) == (2, 0)
    assert [record.metrics for record in store.records("tinygrid")] == [{"test/pearson": 0.5}] * 2


def test_an_older_finished_run_does_not_stand_for_one_that_died(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_grid(grid, paths=paths, store=store, launcher="inline")
    before = [state.run_id for state in store.states("tinygrid")]

    def act(trial: Trial, place: Place, emit: Emit, *, store: MemoryStore) -> None:
        emit(Failed(trial.key, None, "the worker was killed", closed=False, cause="died"))

    monkeypatch.setattr("ablab.orchestration.session.train", act)
    result = run_grid(grid, paths=paths, store=store, launcher="inline", force=["mlp_head=true"])
    assert (result.completed, result.failed, result.skipped) == (0, 1, 1)
    assert [state.run_id for state in store.states("tinygrid")] == before


@pytest.mark.parametrize(("keep_going", "failed", "not_started"), [(False, 3, 1), (True, 4, 0)])
def test_two_cells_that_fail_in_the_same_way_stop_the_grid(
    tmp_path: Path,
    paths: Paths,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    keep_going: bool,
    failed: int,
    not_started: int,
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError("shapes (3, 4) and (5,) do not fit")

    monkeypatch.setattr("ablab.orchestration.worker.run", broken)
    told = Told()
    result = run_grid(
        tiny.loaded(tmp_path, seeds=(0, 1)),
        paths=paths,
        store=store,
        launcher="inline",
        progress=told,
        keep_going=keep_going,
    )
    assert (result.failed, result.not_started, result.trials) == (failed, not_started, 4)
    stopped = [note for note in told.notes if note.startswith("nothing more is started: ")]
    assert len(stopped) == (0 if keep_going else 1)
    if stopped:
        assert "mlp_head=false and mlp_head=true failed in the same way: RuntimeError: shapes" in stopped[0]
        assert "--keep-going runs the rest all the same" in stopped[0]


def test_a_trial_that_was_told_to_end_and_fails_is_not_tried_again(
    grid: LoadedGrid, paths: Paths, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ends(Untold):
        """Has every trial ended that tells of an epoch, as a pruner would."""

        told: Mapping[str, str] = {}

        def advanced(self, event: Advanced) -> None:
            self.told = {event.key: "not good enough"}

        def unwanted(self) -> Mapping[str, str]:
            told, self.told = self.told, {}
            return told

    def act(trial: Trial, place: Place, emit: Emit, *, store: MemoryStore) -> None:
        try:
            emit(Advanced(trial.key, 1, 2, {}))
        except KeyboardInterrupt:
            emit(Failed(trial.key, None, "the store went away", closed=True, cause="store"))

    monkeypatch.setattr("ablab.orchestration.session.train", act)
    trials = planned(grid, lambda dataset: "data")
    told = Told()
    session = Session("tinygrid", Selection(trials, ()), Ends, store, told, 0.0)
    kind = find_launcher("inline")
    result = session.run(kind, Place.here(paths.root), Request(trials))
    assert (result.completed, result.failed, result.killed, result.not_started) == (0, 0, 0, 0)
    assert told.warned == []
