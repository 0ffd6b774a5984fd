"""One trial from its open run to its closed one: what happens in a worker, or inline."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from ablab.data.corpus import Corpus
from ablab.data.datasets import open_corpus
from ablab.errors import DataError, NonFiniteLossError, Problem, StoreError, StudyLockedError
from ablab.orchestration.after_all import finished_after_all
from ablab.orchestration.events import Advanced, Emit, End, Failed, Finished, Killed, Started, Warned
from ablab.orchestration.failures import explain
from ablab.orchestration.interruption import deferred, shielded
from ablab.orchestration.launchers import Place
from ablab.orchestration.leftovers import clear
from ablab.orchestration.lock import trial_lock
from ablab.orchestration.log_of_run import LOG, run_folder
from ablab.paths import Paths
from ablab.spec.experiment import Dataset
from ablab.spec.trial import Trial
from ablab.tracking.open import open_store
from ablab.tracking.provenance import run_fingerprint
from ablab.tracking.recording import StoreObserver
from ablab.tracking.store import FinishedAfterAllError, RunStore, RunWriter
from ablab.tracking.tensorboard import TensorBoardObserver
from ablab.training.observer import Observer, Observers
from ablab.training.restart import Origin, Restart, find, states
from ablab.training.run import find_device, run
from ablab.training.together import device_type, run_together

_SECONDS_BETWEEN_PROGRESS = 0.2
_PATIENCE_SECONDS = 4.0
"""For the training step at which an interruption arrives; what is longer is cut, and lost."""
_OPENING_SECONDS = 2.0
"""For the run to be opened; a store that is away is not waited for any longer."""
_OF_THE_TRIAL = (NonFiniteLossError, DataError)
"""Errors that the same state would lead to again."""
_log = logging.getLogger("ablab")


def train(trial: Trial, place: Place, emit: Emit, *, store: RunStore | None = None) -> None:
    """Train one trial and record it; the act of both launchers. Emits exactly one end.

    An interruption (KeyboardInterrupt) closes the run as killed and is raised on. A state that an earlier
    attempt left in the run's folder is gone on from, where it is of the same code. A store that is away is
    waited for when the run is opened, and nowhere else.
    """
    paths = Paths(place.root)
    try:
        with trial_lock(trial, place.role, paths):
            _attempt(trial, place, emit, paths, store or open_store(paths, patient=True))
    except StudyLockedError as error:
        emit(Failed(trial.key, None, str(error), closed=True))


def _attempt(trial: Trial, place: Place, emit: Emit, paths: Paths, store: RunStore) -> None:
    run_id: str | None = None
    writer: RunWriter | None = None
    try:
        # In the middle of it, the store has a run that nobody here knows of yet.
        with deferred(_OPENING_SECONDS):
            writer = store.open_run(trial, place.role)
            run_id = writer.run_id
    except KeyboardInterrupt:
        _emit_killed(trial, run_id, writer, emit)
        raise
    except FinishedAfterAllError as found:
        emit(Started(trial.key, found.run_id))
        emit(_end_of(trial, place, found.run_id, store))
        clear(run_folder(trial.key, found.run_id, paths))
        return
    except Exception as error:
        cause, line = explain(error, paths.root)
        emit(Failed(trial.key, run_id, line, closed=False, cause=cause, traceback=traceback.format_exc()))
        return
    folder = run_folder(trial.key, run_id, paths)
    try:
        emit(Started(trial.key, run_id))
        restart = _restart(trial, place, folder)
        with _logged(folder / LOG):
            _train_and_record(trial, place, emit, writer, restart)
    except KeyboardInterrupt:
        _emit_killed(trial, run_id, writer, emit)
        raise
    except Exception as error:
        (cause, line), text = explain(error, folder), traceback.format_exc()
        with shielded():
            closed = _closed(lambda: _fail(writer, line, text, folder))
            emit(Failed(trial.key, run_id, line, closed, cause, text))
        if not isinstance(error, _OF_THE_TRIAL) and states(folder):
            return  # a full disk, a store that is gone: the next attempt goes on from the last checkpoint
    clear(folder)


def _emit_killed(trial: Trial, run_id: str | None, writer: RunWriter | None, emit: Emit) -> None:
    with shielded():
        closed = writer is not None and _closed(lambda: writer.kill("interrupted"))
        emit(Killed(trial.key, run_id, "interrupted", closed))


def _end_of(trial: Trial, place: Place, run_id: str, store: RunStore) -> End:
    try:
        finished = finished_after_all(trial, place.role, run_id, store)
    except StoreError as error:
        return Failed(trial.key, run_id, str(error), closed=False, cause="store")
    return finished or Failed(trial.key, run_id, "its run was deleted meanwhile", closed=True)


def tensorboard_folder(trial: Trial, paths: Paths) -> Path:
    """Live event files of the trial: readable, and its own also where two runs share a name."""
    name = re.sub(r"[^A-Za-z0-9_.@+=,-]+", "-", trial.name).strip("-.")
    return paths.tensorboard / trial.study / f"{name}-{trial.key[:6]}"


def _restart(trial: Trial, place: Place, folder: Path) -> Restart:
    """What to go on from; where there is nothing of use, an empty folder and no event files."""
    processes = trial.cell.experiment.training.processes
    device = find_device(place.device).type if processes == 1 else device_type(place.device, processes)
    origin = Origin(trial.key, run_fingerprint(trial.cell.experiment), device, processes)
    restart = find(folder, origin)
    if restart.state is None:
        for stale in (folder, tensorboard_folder(trial, Paths(place.root))):
            shutil.rmtree(stale, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return restart


def _train_and_record(trial: Trial, place: Place, emit: Emit, writer: RunWriter, restart: Restart) -> None:
    paths, folder = Paths(place.root), restart.folder
    began = time.monotonic()
    corpus = _corpus(trial.cell.experiment.dataset, paths)
    if corpus.fingerprint != trial.data_fingerprint:
        raise DataError([Problem("dataset", None, "", "changed while the grid was running; run it again")])
    for notice in corpus.notices:
        _log.info(notice)
    events = tensorboard_folder(trial, paths)
    with contextlib.closing(TensorBoardObserver(events, resumed_at=restart.step)) as board:
        # Tracking lies below training: its observers fit the base class without being able to name it.
        tracking = cast("list[Observer]", [StoreObserver(writer), board])
        reporter = _Reporter(trial.key, trial.cell.experiment.training.evaluate_every, emit)
        observer = Observers([*tracking, reporter])
        with deferred(_PATIENCE_SECONDS) as asked_to_stop:
            if trial.cell.experiment.training.processes > 1:
                outcome = run_together(
                    trial,
                    place.root,
                    folder,
                    observer,
                    device=place.device,
                    origin=restart.origin,
                    asked_to_stop=asked_to_stop,
                )
            else:
                outcome = run(
                    trial,
                    corpus,
                    folder,
                    observer,
                    device=place.device,
                    gpu_share=place.gpu_share,
                    restart=restart,
                    asked_to_stop=asked_to_stop,
                )
    for file in outcome.artifacts:
        writer.artifact(file)
    writer.artifact(events, "tensorboard")
    _log.info("done after %.1f s", time.monotonic() - began)
    writer.artifact(folder / LOG)
    with shielded():
        writer.finish(outcome.metrics, outcome.subjects)
        seconds = outcome.metrics.get("seconds", time.monotonic() - began)
        emit(Finished(trial.key, writer.run_id, seconds, dict(outcome.metrics), outcome.subjects))


@functools.lru_cache(maxsize=1)  # inline, one trial after the other trains on the same corpus
def _corpus(dataset: Dataset, paths: Paths) -> Corpus:
    return open_corpus(dataset, paths)


def _fail(writer: RunWriter, error: str, text: str, folder: Path) -> None:
    if (folder / LOG).exists():
        writer.artifact(folder / LOG)
    writer.fail(error, text)


def _closed(close: Callable[[], None]) -> bool:
    try:
        close()
    except (StoreError, OSError):
        return False
    return True


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = _log.level
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        yield
    finally:
        _log.setLevel(level)
        _log.removeHandler(handler)
        handler.close()


class _Reporter(Observer):
    """Passes every evaluation on to the orchestrating process; of other epochs, a few a second at most."""

    def __init__(self, key: str, evaluate_every: int, emit: Emit) -> None:
        self._key, self._evaluate_every, self._emit = key, evaluate_every, emit
        self._last = 0.0

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        evaluated = epoch % self._evaluate_every == 0 or epoch == epochs
        if evaluated or now - self._last >= _SECONDS_BETWEEN_PROGRESS:
            self._last = now
            self._emit(Advanced(self._key, epoch, epochs, dict(values)))

    def warning(self, text: str) -> None:
        self._emit(Warned(self._key, text))
