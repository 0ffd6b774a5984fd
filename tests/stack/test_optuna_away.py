"""Optuna's database restarts while a grid runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import optuna
import pytest
from tests.orchestration import tiny
from tests.stack.postgres import Postgres

from ablab.data.datasets import fingerprint
from ablab.designs.expand import expand
from ablab.errors import StoreError
from ablab.orchestration.events import Finished
from ablab.orchestration.optuna import database
from ablab.orchestration.optuna.study import GridStudy
from ablab.paths import Paths


def test_a_grid_waits_for_the_database_and_loses_no_trial(
    postgres: Postgres, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in postgres.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ABLAB_OPTUNA_STORAGE", "postgresql+psycopg:///optuna")
    loaded = tiny.loaded(tmp_path)
    trials = expand(loaded.grid, loaded.bases[""], fingerprint(loaded.bases[""].dataset, paths))
    queue = GridStudy("away", trials, paths)
    queue.enqueue(trials)
    first = queue.ask(lambda waiting: waiting[0])
    assert first is not None

    postgres.stop()
    began = time.monotonic()
    back = threading.Timer(2.0, postgres.start)
    back.start()
    queue.finished(Finished(first.key, "run-0", 0.1, {"validation/pearson": 0.25}))
    assert time.monotonic() - began >= 2.0
    back.join()
    second = queue.ask(lambda waiting: waiting[0])
    assert second is not None

    postgres.stop()
    monkeypatch.setattr(database, "_PATIENCE_SECONDS", 0.5)
    try:
        with pytest.raises(StoreError, match=r"the Optuna study in postgresql\+psycopg:///optuna cannot be"):
            queue.failed(second.key, None)
    finally:
        postgres.start()
    storage = database.open_storage(paths)
    (study,) = [name for name in optuna.get_all_study_names(storage) if name.startswith("away-")]
    told = optuna.load_study(study_name=study, storage=storage).trials
    assert [(trial.state.name, trial.value) for trial in told] == [("COMPLETE", 0.25), ("RUNNING", None)]
