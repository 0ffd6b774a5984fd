"""A worker that is killed when its journal says that the run has finished, and the store does not yet."""

from __future__ import annotations

import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from ablab.data.datasets import fingerprint
from ablab.designs.expand import expand
from ablab.orchestration import worker
from ablab.orchestration.events import Emit, Event, Failed, Finished, Started
from ablab.orchestration.grid import run_grid
from ablab.orchestration.launcher_table import LauncherKind, find_launcher
from ablab.orchestration.launchers import Act, Launcher, Place, Request
from ablab.orchestration.local_launcher import LocalLauncher
from ablab.paths import Paths
from ablab.spec.trial import Trial
from ablab.tracking.mlflow.delivery import Courier
from ablab.tracking.open import open_store


def train_and_die(trial: Trial, place: Place, emit: Emit) -> None:
    """Trains, and dies when the end of the run is in the journal and not on its way yet."""
    drain = Courier.drain

    def die_at_the_end(self: Courier, seconds: float, *, even_if_away: bool = False) -> bool:
        if even_if_away:
            os.kill(os.getpid(), signal.SIGKILL)
        return drain(self, seconds, even_if_away=even_if_away)

    Courier.drain = die_at_the_end  # type: ignore[method-assign]
    worker.train(trial, place, emit)


def make(act: Act, place: Place, emit: Emit, request: Request) -> Launcher:
    return LocalLauncher(train_and_die, place, emit, 1)


def runs(paths: Paths) -> list[tuple[str, str]]:
    """Status and attempt of every run in MLflow's own tables, superseded ones included."""
    query = (
        "SELECT r.status, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'attempt'"
    )
    with sqlite3.connect(paths.mlflow_db) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("answers", [True, False])
def test_the_orchestrator_trains_nothing_twice_whether_or_not_the_store_answers_it(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    def found(name: str) -> LauncherKind:
        return replace(find_launcher(name), make=make)

    monkeypatch.setattr("ablab.orchestration.grid.find_launcher", found)
    store = open_store(paths)
    if not answers:  # as a database under load that is locked whenever it is asked
        monkeypatch.setattr(store, "answers", lambda: False)
    result = run_grid(tiny.loaded(tmp_path, epochs=2), paths=paths, store=store)
    assert (result.completed, result.failures, result.killed) == (2, (), 0)
    assert runs(paths) == [("FINISHED", "1")] * 2
    assert not paths.journals.exists()
    assert list((paths.root / "runs").iterdir()) == []


def test_the_next_attempt_finds_the_run_finished(tmp_path: Path, paths: Paths) -> None:
    loaded = tiny.loaded(tmp_path, epochs=2)
    trial = expand(loaded.grid, loaded.bases[""], fingerprint(loaded.bases[""].dataset, paths))[0]
    heard: list[Event] = []
    place = Place.here(paths.root)
    launcher = LocalLauncher(train_and_die, place, heard.append, 1)
    launcher.submit(trial)
    while launcher.in_flight:
        launcher.wait()
    died = heard[-1]
    assert isinstance(died, Failed)
    assert [status for status, _ in runs(paths)] == ["RUNNING"]

    again: list[Event] = []
    worker.train(trial, place, again.append)
    (record,) = open_store(paths).records(trial.study)
    end = Finished(trial.key, record.run_id, record.seconds, dict(record.metrics), record.subjects)
    assert again == [Started(trial.key, record.run_id), end]
    assert record.run_id == died.run_id
    assert record.metrics["test/pearson"] == pytest.approx(sum(s.test for s in record.subjects) / 2)
    assert runs(paths) == [("FINISHED", "1")]
