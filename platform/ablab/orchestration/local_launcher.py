"""A fresh process per trial on this machine, forked from a server that has torch loaded already.

A crash, a leak or a kill stays in its own process, and starting one costs a fork instead of the imports.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from statistics import fmean

from ablab.errors import WorkerDiedError
from ablab.orchestration import worker_process
from ablab.orchestration.demand import demand_of
from ablab.orchestration.events import Emit, End, Failed, Killed, Started
from ablab.orchestration.failures import cause_of_death
from ablab.orchestration.gpus import automatic_workers, gpus_of, refuse_too_few
from ablab.orchestration.interruption import requests
from ablab.orchestration.launchers import ENDING_SECONDS, Act, Launcher, Place, Request
from ablab.orchestration.leftovers import kill_worker, lease_of, output_file
from ablab.orchestration.memory import Memory, look
from ablab.orchestration.slots import Need, Taken, fitting, next_one, share_of
from ablab.paths import Paths
from ablab.spec.trial import Trial

_MOMENT_SECONDS = 0.5  # how long `wait` waits, so that the caller can look around
_STARTS = 5
_LOST = 255  # what multiprocessing says of a worker whose forkserver has died
_PATIENT_REQUESTS = 1  # a second Ctrl-C means: now


@dataclass(slots=True)
class _Worker:
    trial: Trial
    process: ForkServerProcess
    connection: Connection
    memory: Memory
    """When it was started."""
    gpus: tuple[str, ...] = ()
    began: float = field(default_factory=time.monotonic)
    run_id: str | None = None
    heard: bool = True
    """Whether more may come through the connection."""
    ended: bool = False
    stopped: bool = False
    """Whether it was told to stop, so that its death is no failure."""
    reason: str = "stopped by the orchestrator"
    deadline: float = math.inf
    """When a worker that was told to end is ended by force (``time.monotonic``)."""


class LocalLauncher:
    """See `ablab.orchestration.launchers.Launcher`."""

    def __init__(
        self,
        act: Act,
        place: Place,
        emit: Emit,
        workers: int,
        *,
        gpus_per_trial: float | None = None,
        seconds: Mapping[str, float] | None = None,
        preload: Sequence[str] | None = None,
    ) -> None:
        """preload: modules that the forkserver imports once; None for what training needs.

        gpus_per_trial, seconds: as in `ablab.orchestration.launchers.Request`.
        """
        self._act, self._place, self._emit = act, place, emit
        self._capacity = workers
        self._workers: list[_Worker] = []
        self._chosen: tuple[str, tuple[str, ...]] | None = None
        """Key and GPUs of the trial that `choose` has named since the last `submit`."""
        self._gpus = gpus_of(place.device)
        self._gpus_per_trial, self._seconds = gpus_per_trial, dict(seconds or {})
        self._mean_seconds = fmean(self._seconds.values()) if self._seconds else 1.0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(worker_process.PRELOAD if preload is None else preload))
        with _unsignalled():
            forkserver.ensure_running()  # it imports while the queue is opened here

    @property
    def capacity(self) -> int:
        """See `Launcher.capacity`."""
        return self._capacity

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """See `Launcher.in_flight`."""
        return tuple(worker.trial for worker in self._workers)

    def choose(self, waiting: Sequence[Trial]) -> Trial | None:
        """See `Launcher.choose`; by `slots.next_one`."""
        if len(self._workers) >= self._capacity:
            return None
        needs = [Need(self._share(trial), self._expected(trial)) for trial in waiting]
        found = next_one(self._gpus, self._taken(), needs)
        if found is None:
            return None
        chosen = waiting[found[0]]
        self._chosen = (chosen.key, found[1])
        return chosen

    def submit(self, trial: Trial) -> None:
        """See `Launcher.submit`."""
        if len(self._workers) >= self._capacity:
            raise RuntimeError(f"all {self._capacity} workers are busy")
        # Those that it was chosen for: others may be reserved for a larger trial.
        gpus = self._chosen[1] if self._chosen and self._chosen[0] == trial.key else None
        self._chosen = None
        gpus = gpus if gpus is not None else fitting(self._gpus, self._taken(), self._share(trial))
        if gpus is None:
            raise RuntimeError(f"no GPUs are free for {trial.name}")
        share = min(float(self._share(trial)) or 1.0, self._place.gpu_share)
        place = replace(self._place, gpu_share=share)
        reader, writer = self._context.Pipe(duplex=False)
        memory = look()
        for attempt in range(1, _STARTS + 1):
            process = self._context.Process(
                target=worker_process.main,
                args=(self._act, trial, place, writer, gpus, os.environ.get("CUDA_VISIBLE_DEVICES")),
                name=trial.name,
                daemon=False,  # a daemonic process may start no children of its own
            )
            try:
                with _unsignalled():
                    process.start()
            except (EOFError, ConnectionError) as error:
                # The forkserver was killed; once it is quite dead, the next start replaces it.
                if attempt == _STARTS:
                    raise WorkerDiedError("no worker can be started: the forkserver dies") from error
                time.sleep(_MOMENT_SECONDS)
            else:
                break
        writer.close()
        self._workers.append(_Worker(trial, process, reader, memory, gpus))

    def wait(self) -> None:
        """See `Launcher.wait`."""
        if self._workers:
            self._listen(_MOMENT_SECONDS)
        for worker in self._workers:
            if time.monotonic() > worker.deadline:
                _signal(worker, signal.SIGKILL)

    def end(self, key: str, reason: str) -> None:
        """See `Launcher.end`."""
        for worker in self._workers:
            if worker.trial.key == key and not worker.stopped:
                worker.stopped, worker.reason = True, reason
                worker.deadline = time.monotonic() + ENDING_SECONDS
                _signal(worker, signal.SIGTERM)

    def stop(self, grace_seconds: float) -> None:
        """See `Launcher.stop`."""
        for worker in self._workers:
            worker.stopped = True
            _signal(worker, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self._workers and (left := deadline - time.monotonic()) > 0 and requests() <= _PATIENT_REQUESTS:
            self._listen(min(left, _MOMENT_SECONDS))
        for worker in self._workers:
            _signal(worker, signal.SIGKILL)
        while self._workers:
            self._listen(_MOMENT_SECONDS)

    def _share(self, trial: Trial) -> Fraction:
        """GPUs of a trial; 0 where there are none, and a trial trains on the CPU."""
        gpus = self._gpus_per_trial
        return share_of(demand_of(trial, gpus, self._place.device, gpus_there=True).gpus if self._gpus else 0)

    def _expected(self, trial: Trial) -> float:
        return self._seconds.get(trial.key, self._mean_seconds)

    def _taken(self) -> list[Taken]:
        now = time.monotonic()
        return [
            Taken(
                worker.gpus,
                min(self._share(worker.trial), Fraction(1)),
                max(0.0, self._expected(worker.trial) - (now - worker.began)),
            )
            for worker in self._workers
        ]

    def _listen(self, seconds: float) -> None:
        by_sentinel = {worker.process.sentinel: worker for worker in self._workers}
        by_connection = {worker.connection: worker for worker in self._workers if worker.heard}
        ready = wait([*by_sentinel, *by_connection], seconds)
        for worker in tuple(self._workers):
            if worker.connection in ready:
                self._drain(worker)
        for worker in [by_sentinel[thing] for thing in ready if isinstance(thing, int)]:
            self._drain(worker)  # what was sent between the last look and the end
            self._bury(worker)

    def _drain(self, worker: _Worker) -> None:
        while worker.heard and worker.connection.poll():
            try:
                event = worker.connection.recv()
            except (EOFError, OSError):
                worker.heard = False
                return
            if isinstance(event, Started):
                worker.run_id = event.run_id
            if isinstance(event, End):
                worker.ended = True
            self._emit(event)

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        folder = Paths(self._place.root).workers(worker.trial.study)
        pid, exitcode = worker.process.pid, worker.process.exitcode
        assert pid is not None and exitcode is not None, "the process was started and has ended"
        output = output_file(folder, pid)
        lease = lease_of(folder, pid)
        if exitcode == _LOST and lease is not None:
            kill_worker(lease)  # it may well live on, and its trial is about to be called dead
        words = output.read_text(errors="replace") if output.exists() else ""
        worker.process.close()
        for left in (output, *(() if lease is None else (lease.file,))):
            left.unlink(missing_ok=True)
        if worker.ended:
            return
        key = worker.trial.key
        if worker.stopped:
            self._emit(Killed(key, worker.run_id, worker.reason, closed=False))
        else:
            peak = lease.holder.peak_bytes if lease is not None and lease.holder is not None else 0
            cause, line = cause_of_death(exitcode, words, peak, worker.memory, look())
            self._emit(Failed(key, worker.run_id, line, closed=False, cause=cause))


def make(act: Act, place: Place, emit: Emit, request: Request) -> Launcher:
    """See `ablab.orchestration.launchers.MakeLauncher`."""
    cells, gpus = [trial.cell for trial in request.trials], request.gpus_per_trial
    refuse_too_few(cells, place.device, gpus)
    workers = request.workers or automatic_workers(cells, place.device, gpus)
    return LocalLauncher(act, place, emit, workers, gpus_per_trial=gpus, seconds=request.seconds)


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes without a main module: children import it again, and a script that starts a grid
    without a ``__name__`` guard would start the grid once more in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _unsignalled() -> Iterator[None]:
    """Start the forkserver, or processes by it, that no signal to the process group reaches.

    It inherits what is blocked. Such signals are the orchestrator's to handle: without its server it could
    start no more workers, and would not learn how the old ones ended.
    """
    resource_tracker.ensure_running()  # its own start would unblock the signals again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with _without_main():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signal(worker: _Worker, number: signal.Signals) -> None:
    pid = worker.process.pid
    if pid is None or worker.process.exitcode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if number == signal.SIGKILL and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
