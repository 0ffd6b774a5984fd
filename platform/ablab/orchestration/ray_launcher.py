"""Trials as tasks of a Ray cluster: Ray places them, and starts them again where a node was lost.

The only module that imports Ray. A task is the far end of a launcher (`far_trial`); what it hears goes
through an actor beside the orchestrating process, in each trial's own order.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import ray
from pydantic import Field
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablab.errors import InputError, WorkerDiedError
from ablab.orchestration.demand import Demand, demand_of, placed
from ablab.orchestration.events import Cause, Emit, End, Event, Failed, Killed, Started
from ablab.orchestration.far_trial import end_of_earlier_attempt, train_far, wait_for_earlier_attempt
from ablab.orchestration.interruption import requests
from ablab.orchestration.launchers import ENDING_SECONDS, Act, Launcher, Place, Request
from ablab.orchestration.shared_store import refuse_unshared
from ablab.spec.trial import Trial
from ablab.spec.values import Positive, SpecModel

_MOMENT_SECONDS = 0.5
_FORCED_SECONDS = 15.0
"""For tasks that were ended by force to be gone: a worker notices within five seconds that its task is."""
_PATIENT_REQUESTS = 1
_GIB = 2**30
_NOT_COPIED = ("/mlruns/", "/.git/", "/.venv/")


class Options(SpecModel):
    """What ``--launcher-option`` takes."""

    address: str | None = Field(default=None, min_length=1)
    """Of the cluster's head, ``host:port``; null: ``RAY_ADDRESS``, or the cluster that this machine is in."""
    max_retries: Annotated[int, Field(ge=0)] = 3
    """How many times Ray starts a trial again whose node or task process was lost."""
    memory_gb: Positive | None = None
    """Memory that Ray sets aside for a trial, GiB; null sets none aside."""
    state_root: str | None = Field(default=None, min_length=1)
    """State root on the nodes, absolute; null: the same path as here."""
    working_dir: str | None = Field(default=None, min_length=1)
    """A folder here that Ray copies to the nodes (at most 500 MiB), where relative data paths are looked up;
    null: the working directory, which the nodes then have to share."""


@dataclass(slots=True)
class _Task:
    trial: Trial
    ref: Any
    run_id: str | None = None
    reason: str | None = None
    """Why it was told to end."""
    deadline: float = math.inf
    """When it is ended by force (``time.monotonic``)."""


class _Mailbox:
    """What tasks tell and are told; an actor on the orchestrating process's own node."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._begun: dict[str, int] = {}
        self._runs: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def expect(self, key: str) -> None:
        """The trial is about to be submitted, perhaps again: what was known of it is over."""
        for known in (self._begun, self._runs, self._reasons):
            known.pop(key, None)

    def begin(self, key: str) -> tuple[int, str | None]:
        """Number of this attempt, and the run that the one before had opened."""
        self._begun[key] = self._begun.get(key, 0) + 1
        return self._begun[key], self._runs.get(key)

    def tell(self, event: Event) -> None:
        if isinstance(event, Started):
            self._runs[event.key] = event.run_id
        self._events.append(event)

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def end(self, key: str, reason: str) -> bool:
        """Returns whether the trial has begun."""
        self._reasons[key] = reason
        return key in self._begun

    def asked_to_end(self, key: str) -> str | None:
        return self._reasons.get(key)


def _task(act: Act, trial: Trial, place: Place, mailbox: Any) -> End:
    attempt, run_id = ray.get(mailbox.begin.remote(trial.key))
    if attempt > 1:
        wait_for_earlier_attempt(trial, place)
        end = end_of_earlier_attempt(trial, place, run_id) if run_id else None
        if end is not None:
            return end
    reason: str | None = ray.get(mailbox.asked_to_end.remote(trial.key))
    if reason is not None:
        return Killed(trial.key, run_id, reason, closed=run_id is None)
    return train_far(
        act,
        trial,
        replace(place, folder=_folder(place.folder)),
        lambda event: ray.get(mailbox.tell.remote(event)),  # waited for: it is to be there before the end is
        lambda: ray.get(mailbox.asked_to_end.remote(trial.key)),
    )


def _folder(wanted: Path) -> Path:
    """The working directory on this node; the one that Ray copied where there is one."""
    copied = ray.get_runtime_context().runtime_env.get("working_dir")
    if copied:
        return Path.cwd()
    if not wanted.is_dir():
        raise InputError(
            f"the working directory {wanted} is not on node {ray.util.get_node_ip_address()}: share it "
            "between the nodes, or give --launcher-option working_dir=."
        )
    return wanted


class RayLauncher:
    """See `ablab.orchestration.launchers.Launcher`."""

    def __init__(self, act: Act, place: Place, emit: Emit, request: Request) -> None:
        options = request.options
        assert isinstance(options, Options)
        refuse_unshared("ray", place.store_uri, databases=False)
        if place.device not in ("auto", "cpu"):
            raise InputError(f"--device {place.device}: Ray places the trials; give auto or cpu")
        self._act, self._emit, self._options = act, emit, options
        self._place = replace(place, root=Path(options.state_root)) if options.state_root else place
        self._gpus_per_trial, self._seconds = request.gpus_per_trial, request.seconds
        self._tasks: list[_Task] = []
        self._mailbox: Any = None
        self._connected_here = not ray.is_initialized()
        self._output = contextlib.ExitStack()
        if self._connected_here:
            _connect(options)
            # Ray prints what it has to say of lost nodes; on stdout there may be one JSON object only.
            self._output.enter_context(contextlib.redirect_stdout(sys.stderr))
        elif options.working_dir is not None:
            raise InputError("working_dir: this process is connected to Ray already; give it to ray.init")
        try:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            _refuse_loopback(place.store_uri, nodes)
            self._gpus_there = any(node["Resources"].get("GPU") for node in nodes)
            demands = {self._demand(trial) for trial in request.trials}
            rooms = [_room(node["Resources"]) for node in nodes]
            _refuse_too_large(demands, rooms)
            self._capacity = request.workers or sum(_how_many(min(demands), room) for room in rooms)
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            self._mailbox = (
                ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here, max_restarts=0).remote()
            )
        except BaseException:
            self._disconnect()
            raise

    @property
    def capacity(self) -> int:
        """See `Launcher.capacity`."""
        return self._capacity

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """See `Launcher.in_flight`."""
        return tuple(task.trial for task in self._tasks)

    def choose(self, waiting: Sequence[Trial]) -> Trial | None:
        """See `Launcher.choose`; the longest. Which of those in flight start first is Ray's to say."""
        if not waiting or len(self._tasks) >= self._capacity:
            return None
        return max(waiting, key=lambda trial: self._seconds.get(trial.key, 0.0))

    def submit(self, trial: Trial) -> None:
        """See `Launcher.submit`."""
        if len(self._tasks) >= self._capacity:
            raise RuntimeError(f"{self._capacity} trials are in flight")
        demand, options = self._demand(trial), self._options
        settings: dict[str, Any] = {
            "name": trial.name,
            "num_gpus": demand.gpus,
            "num_cpus": demand.cpus,
            "max_retries": options.max_retries,
            "max_calls": 0,  # a task's process lives on, with its forkserver: the next trial costs a fork
        }
        if options.memory_gb is not None:
            settings["memory"] = round(options.memory_gb * _GIB)
        self._ask(self._mailbox.expect.remote(trial.key))
        task = ray.remote(**settings)(_task)
        place = placed(self._place, demand)
        self._tasks.append(_Task(trial, task.remote(self._act, trial, place, self._mailbox)))

    def wait(self) -> None:
        """See `Launcher.wait`."""
        if self._tasks:
            self._listen(_MOMENT_SECONDS)
        for task in self._tasks:
            if time.monotonic() > task.deadline:
                ray.cancel(task.ref, force=True)

    def end(self, key: str, reason: str) -> None:
        """See `Launcher.end`."""
        for task in self._tasks:
            if task.trial.key == key and task.reason is None:
                task.reason, task.deadline = reason, time.monotonic() + ENDING_SECONDS
                if not self._ask(self._mailbox.end.remote(key, reason)):
                    ray.cancel(task.ref)  # it waits for room, and need not be given any

    def stop(self, grace_seconds: float) -> None:
        """See `Launcher.stop`; the connection is closed where it was opened here."""
        with contextlib.suppress(WorkerDiedError, RayError):  # where the cluster is gone, so are its tasks
            for trial in self.in_flight:
                self.end(trial.key, "stopped by the orchestrator")
            self._listen_until(time.monotonic() + grace_seconds, patient=True)
            for task in self._tasks:
                ray.cancel(task.ref, force=True)
            self._listen_until(time.monotonic() + _FORCED_SECONDS, patient=False)
        for task in tuple(self._tasks):
            self._over(task, Killed(task.trial.key, task.run_id, "its node does not answer", closed=False))
        self._disconnect()

    def _demand(self, trial: Trial) -> Demand:
        gpus = self._gpus_per_trial
        return demand_of(trial, gpus, self._place.device, gpus_there=self._gpus_there)

    def _listen_until(self, deadline: float, *, patient: bool) -> None:
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            if patient and requests() > _PATIENT_REQUESTS:
                return
            self._listen(min(left, _MOMENT_SECONDS))

    def _listen(self, seconds: float) -> None:
        by_ref = {task.ref: task for task in self._tasks}
        done, _ = ray.wait(list(by_ref), num_returns=1, timeout=seconds)
        if len(by_ref) > 1:
            done, _ = ray.wait(list(by_ref), num_returns=len(by_ref), timeout=0)
        by_key = {task.trial.key: task for task in self._tasks}
        for event in self._ask(self._mailbox.take.remote()):
            if event.key not in by_key:
                continue  # of an attempt that was cut off, and whose trial has ended since
            if isinstance(event, Started):
                by_key[event.key].run_id = event.run_id
            self._emit(event)
        for ref in done:
            self._over(by_ref[ref], self._end_of(by_ref[ref]))

    def _ask(self, answer: Any) -> Any:
        try:
            return ray.get(answer)
        except RayError as error:
            raise WorkerDiedError(
                f"the Ray cluster is gone ({type(error).__name__}); once there is one, the same command goes "
                "on with what is missing"
            ) from error

    def _over(self, task: _Task, end: End) -> None:
        self._tasks.remove(task)
        self._emit(end)

    def _end_of(self, task: _Task) -> End:
        key, run_id = task.trial.key, task.run_id
        try:
            end: End = ray.get(task.ref)
            return end
        except TaskCancelledError:
            return Killed(key, run_id, task.reason or "cancelled in Ray", closed=run_id is None)
        except RayError as error:
            if task.reason is not None:  # whatever it stumbled over while it was being ended
                return Killed(key, run_id, task.reason, closed=False)
            if isinstance(error, RayTaskError):
                text = str(error.cause) if isinstance(error.cause, InputError) else repr(error.cause)
                return Failed(key, run_id, text.splitlines()[0], closed=False)
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            lost = WorkerDiedError(
                f"Ray lost the trial, {self._options.max_retries} retries included: {lines[0]}"
            )
            cause: Cause = "memory" if isinstance(error, OutOfMemoryError) else "died"
            return Failed(key, run_id, str(lost), closed=False, cause=cause)

    def _disconnect(self) -> None:
        if self._mailbox is not None:
            with contextlib.suppress(RayError):
                ray.kill(self._mailbox)
            self._mailbox = None
        if self._connected_here and ray.is_initialized():
            ray.shutdown()
        self._output.close()


def make(act: Act, place: Place, emit: Emit, request: Request) -> Launcher:
    """See `ablab.orchestration.launchers.MakeLauncher`."""
    return RayLauncher(act, place, emit, request)


def _connect(options: Options) -> None:
    address = options.address
    if address is not None and address.startswith("ray://"):
        raise InputError(
            f"--launcher-option address={address}: a Ray Client connection cannot carry a grid; run ablab on "
            "a machine of the cluster ('ray start --address=HOST:PORT' adds this one), or by 'ray job submit'"
        )
    where = address or os.environ.get("RAY_ADDRESS") or "auto"
    environment: dict[str, Any] = {}
    if options.working_dir is not None:
        environment = {"working_dir": options.working_dir, "excludes": list(_NOT_COPIED)}
    try:
        with _own_signals():
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
    except (ConnectionError, RuntimeError, ValueError) as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"no Ray cluster can be reached at {where} ({cause}); start one with 'ray start --head', or name "
            "it by --launcher-option address=HOST:PORT; for one that asks for a token (~/.ray/auth_token), "
            "set RAY_AUTH_MODE=token"
        ) from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the one that ends a grid in good order."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):  # not the main thread, where Ray sets none either
                signal.signal(number, handler)


def _refuse_loopback(store_uri: str | None, nodes: Sequence[dict[str, Any]]) -> None:
    here = ray.util.get_node_ip_address()
    elsewhere = sorted({node["NodeManagerAddress"] for node in nodes} - {here})
    host = (store_uri or "").partition("://")[2].rpartition("@")[2]
    if elsewhere and host.startswith(("localhost", "127.", "[::1]")):
        raise InputError(
            f"MLFLOW_TRACKING_URI {store_uri} is this machine's own address, and trials would run on "
            f"{', '.join(elsewhere)} too; give the address that they know this machine by ({here})"
        )


def _room(resources: dict[str, float]) -> Demand:
    return Demand(resources.get("GPU", 0), int(resources.get("CPU", 0)))


def _refuse_too_large(demands: set[Demand], rooms: Sequence[Demand]) -> None:
    for demand in sorted(demands, reverse=True):
        if not any(_how_many(demand, room) for room in rooms):
            largest = max(rooms, default=Demand(0, 0))
            raise InputError(
                f"a trial takes {demand}, and no node of the Ray cluster has that: the largest of "
                f"{len(rooms)} has {largest}; ask for less "
                "(resources.gpus_per_trial, training.processes, training.threads)"
            )


def _how_many(demand: Demand, room: Demand) -> int:
    """Trials that fit into a node.

    >>> _how_many(Demand(0.25, 1), Demand(2, 16)), _how_many(Demand(4, 4), Demand(2, 16))
    (8, 0)
    """
    by_cpu = int(room.cpus // demand.cpus)
    if demand.gpus == 0:
        return by_cpu
    per_gpu = math.floor(1 / demand.gpus + 1e-6) if demand.gpus < 1 else 0
    by_gpu = int(room.gpus) * per_gpu if per_gpu else int(room.gpus // demand.gpus)
    return min(by_cpu, by_gpu)
