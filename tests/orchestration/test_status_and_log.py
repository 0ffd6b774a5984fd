from __future__ import annotations

from pathlib import Path

import pytest
from hand_made import trial

from ablab.errors import NotFoundError
from ablab.orchestration.lock import study_lock
from ablab.orchestration.log_of_run import log_of_run, run_folder
from ablab.orchestration.status import lines, study_status
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore

A, B = trial("none"), trial("gated")


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    store = MemoryStore()
    log = tmp_path / "train.log"
    log.write_text("epoch 1\n")
    done = store.open_run(A)
    done.artifact(log)
    done.finish({}, ())
    failed = store.open_run(B)
    failed.artifact(log)
    failed.fail("the loss is NaN", "Traceback: here\n")
    return store


def test_status_counts_runs_by_cell_and_names_what_failed(store: MemoryStore, paths: Paths) -> None:
    store.open_run(A, "pilot")
    assert lines(study_status("quick", paths=paths, store=store)) == (
        "quick: 1 finished   1 failed   1 pilot   nobody runs it now",
        "  residual=none   1 finished",
        "  residual=gated  1 failed",
        f"! residual=gated seed 0 failed: the loss is NaN   ablab logs {B.key[:8]}",
    )


def test_status_names_the_orchestrator(store: MemoryStore, paths: Paths) -> None:
    with study_lock("quick", paths, MemoryStore()):
        status = study_status("quick", paths=paths, store=store)
    assert status.orchestrator is not None
    assert status.orchestrator.startswith("process ")


def test_the_log_of_a_run_that_trains_is_read_where_it_is_written(store: MemoryStore, paths: Paths) -> None:
    running = trial("none", 1)
    run_id = store.open_run(running).run_id
    with pytest.raises(NotFoundError, match="residual=none seed 1 is running; no log of it was kept"):
        log_of_run(running.key[:6], paths=paths, store=store)
    folder = run_folder(running.key, run_id, paths)
    folder.mkdir(parents=True)
    (folder / "train.log").write_text("epoch 7\n")
    assert log_of_run(running.key[:6], paths=paths, store=store)[1] == "epoch 7"


def test_the_log_of_a_failed_run_ends_with_its_traceback(store: MemoryStore, paths: Paths) -> None:
    assert log_of_run(A.key, paths=paths, store=store)[1] == "epoch 1"
    assert log_of_run(B.key[:6], paths=paths, store=store)[1] == "epoch 1\nTraceback: here"
