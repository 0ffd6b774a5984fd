"""One stretch of running trials: starts them, hears every event, tells the queue, the store and the progress.

Knows nothing of grids: the caller holds the study's lock and has selected what runs.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from ablab.errors import StoreError
from ablab.orchestration.act import train
from ablab.orchestration.after_all import finished_after_all
from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed, Started, Warned
from ablab.orchestration.interruption import requests, shielded
from ablab.orchestration.launcher_table import LauncherKind
from ablab.orchestration.launchers import Launcher, Place, Request
from ablab.orchestration.leftovers import clear
from ablab.orchestration.log_of_run import run_folder
from ablab.orchestration.progress import Progress
from ablab.orchestration.queue import Queue
from ablab.orchestration.result import Failure, GridResult
from ablab.orchestration.retries import MAX_RETRIES, Retries
from ablab.orchestration.selection import Selection
from ablab.paths import Paths
from ablab.spec.record import Status
from ablab.spec.trial import Trial
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
        self._unsettled: list[tuple[Failed | Killed, str]] = []
        """Ends that could not be written to the store, which was away."""
        self._again: dict[str, Failure] = {}
        """Failed trials that are tried again, by key, and what they would have failed of."""
        self._broken: str | None = None
        """Why nothing more is started."""
        self._reasons: dict[str, str] = {}
        """Why the queue had a trial ended."""
        self.finished: list[Finished] = []

    def run(
        self,
        kind: LauncherKind,
        place: Place,
        request: Request,
        *,
        fail_fast: bool = False,
        max_retries: int = MAX_RETRIES,
        keep_going: bool = False,
    ) -> GridResult:
        """Run until nothing is left, or a failure (``fail_fast``) or an interruption ends it.

        What is tried again, and when failures stop the rest (unless ``keep_going``), says
        `ablab.orchestration.retries`. Raises InputError, with nothing begun, where the launcher refuses the
        request.
        """
        self._role, self._paths = place.role, Paths(place.root)
        self._retries, self._keep_going = Retries(max_retries), keep_going
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
            undelivered = self._catch_up(None)
        except KeyboardInterrupt:
            interrupted = True
            undelivered = self._catch_up(0.0)
        finally:
            if begun:
                self._progress.end()
        completed = len(self.finished)
        return GridResult(
            study=self._study,
            completed=completed,
            killed=self._killed,
            pruned=self._ended,
            skipped=skipped,
            not_started=len(self._trials) - completed - self._killed - self._ended - len(self._failures),
            seconds=time.monotonic() - self._began,
            failures=tuple(self._failures),
            interrupted=interrupted,
            undelivered=undelivered,
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
            for key in tuple(self._again):
                self._give_up(self._trials[key], self._again.pop(key), None)

    def _fill(self, launcher: Launcher) -> None:
        while len(launcher.in_flight) < launcher.capacity:
            again = launcher.choose([self._trials[key] for key in self._again]) if self._again else None
            if again is not None:
                del self._again[again.key]
                launcher.submit(again)
                continue
            trial = None if self._broken else self._queue.ask(launcher.choose)
            if trial is None:
                return
            self._trials.setdefault(trial.key, trial)
            launcher.submit(trial)

    def _hear(self, event: Event) -> None:
        trial = self._trials[event.key]
        match event:
            case Started():
                self._progress.started(trial, event.run_id)
                bring_in(self._study, self._store, self._progress, 0.0)  # for the store is there
            case Advanced():
                self._queue.advanced(event)
                self._progress.advanced(trial, event.epoch, event.epochs, event.values)
            case Warned():
                self._progress.warning(trial, event.text)
            case Finished():
                self.finished.append(event)
                self._queue.finished(event)
                self._progress.finished(trial, event.seconds, event.metrics)
            case Failed() | Killed() if event.key not in self._reasons:
                self._ended_early(trial, event)
            case Failed() | Killed():  # however it left: it was told to
                self._ended += 1
                reason = self._reasons[event.key]
                run_id = self._settle(event, reason)
                if run_id is not None and self._store.answers():
                    self._store.tag(run_id, {"ended": reason})
                self._queue.failed(trial.key, run_id)
                self._progress.ended(trial, reason)

        for key, why in self._queue.unwanted().items():
            self._reasons[key] = why
            self._ended += self._again.pop(key, None) is not None  # it waits for another try, which it loses
            self._launcher.end(key, why)

    def _ended_early(self, trial: Trial, event: Failed | Killed) -> None:
        run_id = self._settle(event, event.error if isinstance(event, Failed) else event.reason)
        finished = None if event.closed or self._unsettled else self._finished_after_all(trial, event.run_id)
        if finished is not None:
            clear(run_folder(trial.key, finished.run_id, self._paths))
            self._hear(finished)
        elif isinstance(event, Failed):
            self._failed(trial, event, run_id)
        else:
            self._killed += 1
            self._queue.failed(trial.key, run_id)
            self._progress.killed(trial, event.reason)

    def _failed(self, trial: Trial, event: Failed, run_id: str | None) -> None:
        failure = Failure(trial.key, trial.cell.id, event.error)
        how = self._retries.grants(event, alone=not self._launcher.in_flight)
        if how is not None:
            self._again[trial.key] = failure
            self._progress.warning(trial, f"{event.error}; {how}, from its last checkpoint")
            return
        self._give_up(trial, failure, run_id)
        twin = self._retries.repeats(event, trial.cell.id)
        if twin is not None and self._broken is None and not self._keep_going:
            self._broken = f"{twin} and {trial.cell.id} failed in the same way: {event.error}"
            self._progress.note(
                f"nothing more is started: {self._broken}. Mend that and run the same command again;"
                " --keep-going runs the rest all the same"
            )

    def _give_up(self, trial: Trial, failure: Failure, run_id: str | None) -> None:
        self._failures.append(failure)
        self._progress.failed(trial, run_id, failure.error)  # said even where the queue's disk is full
        self._queue.failed(trial.key, run_id)

    def _finished_after_all(self, trial: Trial, run_id: str | None) -> Finished | None:
        """What a worker that died had told the store of its run, and could not tell us any more."""
        if run_id is None:
            return None
        try:
            return finished_after_all(trial, self._role, run_id, self._store)
        except StoreError:
            return None

    def _settle(self, event: Failed | Killed, reason: str) -> str | None:
        """Close the run of a trial that could not do it itself; returns the run's id where there is one."""
        if event.closed:
            return event.run_id
        trial = self._trials[event.key]
        run_id = event.run_id
        if not self._store.answers():
            self._unsettled.append((event, reason))
            return run_id
        ended: Status = "failed" if isinstance(event, Failed) else "killed"
        try:
            for state in self._store.states(trial.study):
                if state.key == trial.key and state.status == "running" and run_id in (None, state.run_id):
                    self._store.close(state.run_id, ended, reason)
                    run_id = state.run_id
        except StoreError as error:
            self._progress.note(f"{trial.name} still reads running in the store, until the next run: {error}")
        return run_id

    def _catch_up(self, patience_seconds: float | None) -> int:
        """Write what could not be written while the store was away; returns how many runs it still lacks."""
        left = bring_in(self._study, self._store, self._progress, patience_seconds)
        unsettled, self._unsettled = self._unsettled, []
        ended = {event.key for event in self.finished}
        for event, reason in unsettled:
            if event.key not in ended:
                self._settle(event, reason)
        return left + len(self._unsettled)


def bring_in(study: str, store: RunStore, progress: Progress, patience_seconds: float | None = None) -> int:
    """Deliver what ended workers left in journals; tells what stays of the study, and returns how much."""
    try:
        left = [each for each in store.deliver(patience_seconds).left if each.study == study]
    except StoreError as error:
        progress.note(f"journals cannot be delivered: {error}")
        return 1
    if patience_seconds != 0.0:
        for each in left:
            progress.note(f"{each.name} is in its journal, and not in the store yet: {each.reason}")
    return len(left)
