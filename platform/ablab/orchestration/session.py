"""One stretch of running trials: starts them, hears every event, tells the queue, the store and the progress.

Knows nothing of grids: the caller holds the study's lock and has selected what runs.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from ablab.orchestration.act import train
from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed, Started, Warned
from ablab.orchestration.interruption import requests, shielded
from ablab.orchestration.launcher_table import LauncherKind
from ablab.orchestration.launchers import Launcher, Place, Request
from ablab.orchestration.progress import Progress
from ablab.orchestration.queue import Queue
from ablab.orchestration.result import Failure, GridResult
from ablab.orchestration.selection import Selection
from ablab.tracking.store import RunStore

GRACE_SECONDS = 9.0
"""For workers that are told to stop: a training step, the trial's state, and the last write of a run."""


class Session:
    """Runs the selected trials of one study; used once."""

    def __init__(
        self,
        study: str,
        selection: Selection,
        queue: Callable[[], Queue],
        store: RunStore,
        progress: Progress,
        began: float,
        *,
        expected: int = 0,
    ) -> None:
        """``queue`` is made only where something has to run; ``began`` is when the command did.

        expected: trials that the queue makes by itself, beside the selected ones; about so many.
        """
        self._expected = expected
        self._began = began
        self._study = study
        self._selection = selection
        self._trials = {trial.key: trial for trial in selection.to_run}
        self._make_queue = queue
        self._store, self._progress = store, progress
        self._failures: list[Failure] = []
        self._killed = self._ended = 0
        self._reasons: dict[str, str] = {}
        """Why the queue had a trial ended."""
        self.finished: list[Finished] = []

    def run(
        self, kind: LauncherKind, place: Place, request: Request, *, fail_fast: bool = False
    ) -> GridResult:
        """Run until nothing is left, or a failure (``fail_fast``) or an interruption ends it.

        Raises InputError, with nothing begun, where the launcher refuses the request.
        """
        interrupted = False
        threads = max((trial.cell.experiment.training.threads for trial in self._trials.values()), default=1)
        skipped = len(self._selection.skipped)
        to_run = len(self._trials) + self._expected
        # In this process the caller's store is shared; a worker opens its own.
        act = functools.partial(train, store=self._store) if kind.name == "inline" else train
        begun = False
        try:
            with shielded():
                launcher = kind.make(act, place, self._hear, request) if to_run else None
                workers = min(launcher.capacity, to_run) if launcher else 1
                self._progress.begin(self._study, to_run, skipped, workers, threads, self._store.address)
                begun = True
                if launcher:
                    self._launcher = launcher
                    self._go(launcher, fail_fast)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            if begun:
                self._progress.end()
        completed = len(self.finished)
        return GridResult(
            study=self._study,
            completed=completed,
            killed=self._killed,
            skipped=skipped,
            not_started=len(self._trials) - completed - self._killed - self._ended - len(self._failures),
            seconds=time.monotonic() - self._began,
            failures=tuple(self._failures),
            interrupted=interrupted,
        )

    def _go(self, launcher: Launcher, fail_fast: bool) -> None:
        try:
            self._queue = self._make_queue()
            self._queue.enqueue(tuple(self._trials.values()))
            while True:
                self._fill(launcher)
                if not launcher.in_flight:
                    return
                launcher.wait()
                if requests() or (fail_fast and self._failures):
                    return
        finally:
            launcher.stop(GRACE_SECONDS)

    def _fill(self, launcher: Launcher) -> None:
        while len(launcher.in_flight) < launcher.capacity:
            trial = self._queue.ask(launcher.choose)
            if trial is None:
                return
            self._trials.setdefault(trial.key, trial)
            launcher.submit(trial)

    def _hear(self, event: Event) -> None:
        trial = self._trials[event.key]
        match event:
            case Started():
                self._progress.started(trial, event.run_id)
            case Advanced():
                self._queue.advanced(event)
                self._progress.advanced(trial, event.epoch, event.epochs, event.values)
            case Warned():
                self._progress.warning(trial, event.text)
            case Finished():
                self.finished.append(event)
                self._queue.finished(event)
                self._progress.finished(trial, event.seconds, event.metrics)
            case Failed():
                self._failures.append(Failure(trial.key, trial.cell.id, event.error))
                run_id = self._settle(event, event.error)
                self._queue.failed(trial.key, run_id)
                self._progress.failed(trial, run_id, event.error)
            case Killed() if event.key in self._reasons:
                self._ended += 1
                reason = self._reasons[event.key]
                run_id = self._settle(event, reason)
                if run_id is not None:
                    self._store.tag(run_id, {"ended": reason})
                self._queue.failed(trial.key, run_id)
                self._progress.ended(trial, reason)
            case Killed():
                self._killed += 1
                run_id = self._settle(event, event.reason)
                self._queue.failed(trial.key, run_id)
                self._progress.killed(trial, event.reason)

        for key, why in self._queue.unwanted().items():
            self._reasons[key] = why
            self._launcher.end(key, why)

    def _settle(self, event: Failed | Killed, reason: str) -> str | None:
        """Close the run of a trial that could not do it itself; returns the run's id where there is one."""
        if event.closed:
            return event.run_id
        trial = self._trials[event.key]
        run_id = event.run_id
        for state in self._store.states(trial.study):
            if state.key == trial.key and state.status == "running" and run_id in (None, state.run_id):
                self._store.close(state.run_id, "failed" if isinstance(event, Failed) else "killed", reason)
                run_id = state.run_id
        return run_id
