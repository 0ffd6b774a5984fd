"""A trial that is interrupted goes on from where it was, and its record is that of one that never was."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ablab.data.datasets import fingerprint
from ablab.designs.expand import expand
from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launchers import Place
from ablab.orchestration.worker import tensorboard_folder, train
from ablab.paths import Paths
from ablab.spec.record import RunRecord
from ablab.spec.trial import Trial
from ablab.tracking.memory import MemoryStore

EPOCHS = 6
VARYING = ("seconds", "throughput/", "memory/")


@pytest.fixture
def trial(tmp_path: Path, paths: Paths) -> Trial:
    loaded = tiny.loaded(tmp_path, epochs=EPOCHS)
    data = fingerprint(loaded.bases[""].dataset, paths)
    return expand(loaded.grid, loaded.bases[""], data)[0]


def measured(record: RunRecord) -> dict[str, float]:
    return {name: value for name, value in record.metrics.items() if not name.startswith(VARYING)}


class Ears:
    """Hears a trial's events; does something at the given epoch, once."""

    def __init__(self, epoch: int, act: Callable[[], None]) -> None:
        self.heard: list[Event] = []
        self._epoch, self._act = epoch, act

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, Advanced) and event.epoch == self._epoch:
            self._act()

    @property
    def end(self) -> Event:
        return self.heard[-1]


@pytest.fixture(autouse=True)
def _every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablab.orchestration.worker._SECONDS_BETWEEN_PROGRESS", 0.0)


@pytest.fixture
def whole(trial: Trial, tmp_path: Path, paths: Paths) -> Iterator[RunRecord]:
    """The record of the trial, trained without interruption in a state root of its own."""
    store = MemoryStore()
    other = Paths(tmp_path / "whole")
    train(trial, Place.here(other.root), lambda event: None, store=store)
    (record,) = store.records(trial.study)
    assert record.status == "finished", record.error
    yield record


def test_sigterm_saves_and_ends_soon_and_the_next_attempt_goes_on(
    trial: Trial, whole: RunRecord, paths: Paths
) -> None:
    store, place = MemoryStore(), Place.here(paths.root)
    asked_at = 0.0

    def ask() -> None:
        nonlocal asked_at
        asked_at = time.monotonic()
        signal.raise_signal(signal.SIGTERM)

    first = Ears(3, ask)
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM):
        train(trial, place, first, store=store)
    assert time.monotonic() - asked_at < 10
    assert isinstance(first.end, Killed) and first.end.closed
    (record,) = store.records(trial.study)
    assert record.status == "killed"
    assert [file.name for file in (paths.root / "runs").rglob("restart-*.pt")]

    second = Ears(0, lambda: None)
    train(trial, place, second, store=store)
    assert isinstance(second.end, Finished)
    epochs = [event.epoch for event in second.heard if isinstance(event, Advanced)]
    assert epochs == list(range(4, EPOCHS + 1))
    (record,) = store.records(trial.study)
    assert (record.run_id, record.status) == (first.end.run_id, "finished")
    assert measured(record) == measured(whole)
    assert record.subjects == whole.subjects
    log = store.artifact(record.run_id, "train.log").read_text()
    assert "goes on from step" in log
    assert not (paths.root / "runs" / trial.key).exists()

    board = EventAccumulator(str(tensorboard_folder(trial, paths)))
    board.Reload()
    steps = [point.step for point in board.Scalars("Train/loss")]
    assert len(steps) == EPOCHS
    assert steps == sorted(set(steps))


def test_other_code_starts_afresh(
    trial: Trial, whole: RunRecord, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, place = MemoryStore(), Place.here(paths.root)
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM):
        train(trial, place, Ears(3, lambda: signal.raise_signal(signal.SIGTERM)), store=store)
    monkeypatch.setattr("ablab.orchestration.worker.run_fingerprint", lambda experiment: "changed")
    second = Ears(0, lambda: None)
    train(trial, place, second, store=store)
    assert next(event.epoch for event in second.heard if isinstance(event, Advanced)) == 1
    (record,) = store.records(trial.study)
    assert record.subjects == whole.subjects


def test_a_trial_that_failed_for_a_reason_outside_goes_on(
    trial: Trial, whole: RunRecord, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, place = MemoryStore(), Place.here(paths.root)

    def full(path: Path, *rest: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ablab.training.run.write_predictions", full)
        first = Ears(0, lambda: None)
        train(trial, place, first, store=store)
    assert isinstance(first.end, Failed)
    assert first.end.error.startswith("disk full: cannot write in ")
    second = Ears(0, lambda: None)
    train(trial, place, second, store=store)
    assert isinstance(second.end, Finished)
    assert not [event for event in second.heard if isinstance(event, Advanced)]
    (record,) = store.records(trial.study)
    assert measured(record) == measured(whole)
    assert record.subjects == whole.subjects


def test_a_trial_that_diverged_leaves_nothing_behind(trial: Trial, paths: Paths) -> None:
    experiment = trial.cell.experiment
    training = experiment.training.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd"})
    cell = replace(trial.cell, experiment=experiment.model_copy(update={"training": training}))
    ears = Ears(0, lambda: None)
    train(replace(trial, cell=cell), Place.here(paths.root), ears, store=MemoryStore())
    assert isinstance(ears.end, Failed)
    assert "is not finite" in ears.end.error or "NaN or infinite" in ears.end.error
    assert not (paths.root / "runs" / trial.key).exists()
