"""Running a grid: which trials are missing, one worker after another, every end told and recorded.

One process orchestrates a study at a time. It may die at any moment: the next run ends what is left of it and
goes on with what is missing.
"""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Sequence

from ablab.data.datasets import open_corpus
from ablab.orchestration.declared import declare
from ablab.orchestration.forecast import expected_seconds
from ablab.orchestration.gpus import device_for
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.leftovers import clear_finished, close_leftovers, end_old_workers
from ablab.orchestration.lock import study_lock
from ablab.orchestration.pilot_facts import pilot_of
from ablab.orchestration.preparation import planned
from ablab.orchestration.progress import Progress, Silence
from ablab.orchestration.result import GridResult
from ablab.orchestration.retries import MAX_RETRIES
from ablab.orchestration.selection import StaleChoice, select, standings
from ablab.orchestration.session import Session, bring_in
from ablab.paths import Paths
from ablab.spec.experiment import Dataset
from ablab.spec.load import LoadedGrid
from ablab.spec.record import Role
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import RunState, RunStore

_PATIENCE_SECONDS = 7.0  # workers of a dead orchestrator end within five


def run_grid(
    loaded: LoadedGrid,
    *,
    paths: Paths,
    store: RunStore,
    launcher: str = "local",
    launcher_options: Sequence[str] = (),
    workers: int | None = None,
    stale: StaleChoice | None = None,
    force: Sequence[str] = (),
    fail_fast: bool = False,
    max_retries: int = MAX_RETRIES,
    keep_going: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> GridResult:
    """Train what is missing of a grid, and say what happened.

    launcher_options: ``key=value`` for the launcher. workers: trials at once; None for as many as there is
    room for. stale: what to do with finished runs of
    other code. force: ids or labels of cells to run whatever their standing. fail_fast: end at the first
    failure. max_retries, keep_going: see `ablab.orchestration.retries`.

    A first Ctrl-C or SIGTERM closes what runs as killed and returns a result; a second does not wait.

    Raises StudyLockedError, StaleRunsError, NotFoundError (force), DataError, StoreError, and InputError for
    a launcher that there is not, or that cannot do what is asked.
    """
    from ablab.orchestration.optuna.study import GridStudy

    began = time.monotonic()
    progress = progress or Silence()
    study = loaded.study
    kind = find_launcher(launcher)
    options = read_options(kind, launcher_options)
    gpus = loaded.grid.resources.gpus_per_trial
    device = device_for(device, gpus)
    with interruptible(signal.SIGINT, signal.SIGTERM), study_lock(study, paths, store):
        states = settled_states(study, "seed", paths, store, progress)
        trials = planned(loaded, functools.partial(opened, paths=paths, progress=progress))
        code = code_fingerprint()
        found = standings(trials, states, code)
        selection = select(found, code=code, stale=stale, force=force)

        def queue() -> GridStudy:
            declare(loaded, paths)  # not before the launcher has taken the request
            return GridStudy(study, trials, paths)

        if not selection.to_run:
            declare(loaded, paths)
        session = Session(study, selection, queue, store, progress, began)
        seconds = expected_seconds(selection.to_run, found, pilot_of(study, paths))
        return session.run(
            kind,
            Place.here(paths.root, "seed", device),
            Request(selection.to_run, workers, gpus, seconds, options),
            fail_fast=fail_fast,
            max_retries=max_retries,
            keep_going=keep_going,
        )


def settled_states(
    study: str, role: Role, paths: Paths, store: RunStore, progress: Progress
) -> tuple[RunState, ...]:
    """The study's run states once all that a dead orchestrator left behind is ended, delivered and closed."""
    end_old_workers(study, paths, _PATIENCE_SECONDS, progress.note)
    bring_in(study, store, progress, _PATIENCE_SECONDS)
    for state in close_leftovers(study, role, store, paths):
        progress.note(
            f"{state.cell} seed {state.seed} is left to process {state.pid} on {state.host};"
            f" if that is gone: --force {state.cell}"
        )
    states = store.states(study)
    clear_finished(states, paths)
    return states


def opened(dataset: Dataset, paths: Paths, progress: Progress) -> str:
    """Check the data and, where they are simulated, make them, once and before any worker opens them."""
    corpus = open_corpus(dataset, paths)
    for notice in corpus.notices:
        progress.note(notice)
    return corpus.fingerprint
