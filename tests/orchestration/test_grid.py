"""Grids of the smallest size, trained inline into a store in memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tiny

from ablab.errors import InputError, NotFoundError, StaleRunsError, StudyLockedError
from ablab.orchestration.declared import analysis_of
from ablab.orchestration.grid import run_grid
from ablab.orchestration.lock import study_lock
from ablab.orchestration.progress import Silence
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

    def note(self, text: str) -> None:
        self.notes.append(text)

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
    with study_lock("tinygrid", paths), pytest.raises(StudyLockedError, match=f"process {os.getpid()}"):
        run_grid(grid, paths=paths, store=store, launcher="inline")


def test_an_unknown_launcher_is_refused(grid: LoadedGrid, paths: Paths, store: MemoryStore) -> None:
    with pytest.raises(InputError, match=r"--launcher: no launcher 'locla' \(did you mean 'local'\?\)"):
        run_grid(grid, paths=paths, store=store, launcher="locla")
    assert store.studies() == ()


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
