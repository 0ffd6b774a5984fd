"""Trials as jobs of a Slurm cluster, by submitit: arrays, requeued and gone on with where they are preempted.

The only module that imports submitit. The way back is the shared file system: each job appends what it tells
to a file under the state root (`slurm_job`), which is polled here.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import submitit
from pydantic import Field
from submitit.core.utils import FailedJobError

from ablab.errors import InputError, LauncherError, WorkerDiedError
from ablab.orchestration.demand import Demand, demand_of, placed
from ablab.orchestration.event_lines import EventFile
from ablab.orchestration.events import Cause, Emit, End, Failed, Killed, Started, Warned
from ablab.orchestration.interruption import requests
from ablab.orchestration.launchers import ENDING_SECONDS, Act, Launcher, Place, Request
from ablab.orchestration.shared_store import refuse_unshared
from ablab.orchestration.slurm_job import Job, JobFiles
from ablab.paths import Paths
from ablab.spec.trial import Trial
from ablab.spec.values import Count, Positive, SpecModel

_MOMENT_SECONDS = 0.5
_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 2.0  # between questions whether jobs still live
_SETTLE_SECONDS = 5.0  # for the last lines of a job that has ended to be seen on a network file system
_FORCED_SECONDS = 15.0
_ANSWER_SECONDS = 60.0  # for scancel, which waits for its controller some tries of MessageTimeout (10 s)
_PATIENT_REQUESTS = 1
_LINES_OF_LAST_WORDS = 3


class Options(SpecModel):
    """What ``--launcher-option`` takes; names are those of sbatch where it has one."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    minutes: Count = 1440
    """Time limit of a job. A trial that needs longer is requeued and goes on, ``requeues`` times."""
    mem_gb: Positive | None = None
    """Memory of a job, GB; null: the partition's own default."""
    signal_seconds: Annotated[int, Field(ge=30)] = 120
    """Notice ahead of the time limit, seconds: for a training step and the trial's state."""
    requeues: Annotated[int, Field(ge=0)] = 20
    setup: str | None = None
    """A shell command in front of the trial, such as ``module load cuda``."""
    extra: Mapping[str, str | int | bool] = Field(default_factory=dict)
    """Further flags of sbatch, such as ``{reservation: eeg, exclude: node07}``."""
    cluster: Literal["slurm", "local"] = "slurm"
    """local: submitit's own imitation on this machine, to try things out."""


class _Requeued(Job):
    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit submits again: the same; the trial finds its own checkpoint."""
        return submitit.helpers.DelayedSubmission(self)


@dataclass(slots=True)
class _Submitted:
    trial: Trial
    files: JobFiles
    events: EventFile
    job: submitit.Job[None] | None = None
    """None until the next ``wait`` submits it, together with the others."""
    run_id: str | None = None
    reason: str | None = None
    """Why it was told to end."""
    deadline: float = math.inf
    """When it is cancelled (``time.monotonic``)."""
    gone_since: float | None = None
    """When its job was first seen to have ended."""
    may_live: bool = False
    """Whether its job could not be cancelled; its note then stays, so that the next orchestrator does it."""


class SlurmLauncher:
    """See `ablab.orchestration.launchers.Launcher`."""

    def __init__(self, act: Act, place: Place, emit: Emit, request: Request) -> None:
        assert isinstance(request.options, Options)
        self._options = request.options
        if self._options.cluster == "slurm":
            refuse_unshared("slurm", place.store_uri, databases=True)
        if place.device not in ("auto", "cpu"):
            raise InputError(f"--device {place.device}: Slurm places the trials; give auto or cpu")
        gpus = request.gpus_per_trial
        if gpus is not None and 0 < gpus < 1:
            raise InputError(
                f"resources.gpus_per_trial is {gpus:g}, and Slurm hands out whole GPUs; give 1 or more, or 0"
            )
        self._act, self._place, self._emit, self._gpus = act, place, emit, gpus
        self._capacity = request.workers or max(1, len(request.trials))
        self._trials: list[_Submitted] = []
        self._study, self._seconds = request.trials[0].study, request.seconds
        self._folder = Paths(place.root).jobs(self._study) / uuid.uuid4().hex[:12]
        self._keep_logs = self._accepted = False
        self._looked = 0.0
        self._executor(Demand(0, 1))  # refuses what the cluster will not take, before anything is written
        self._folder.mkdir(parents=True, exist_ok=True)
        JobFiles(self._folder, "").owner.write_text(self._folder.name)

    @property
    def capacity(self) -> int:
        """See `Launcher.capacity`."""
        return self._capacity

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """See `Launcher.in_flight`."""
        return tuple(each.trial for each in self._trials)

    def choose(self, waiting: Sequence[Trial]) -> Trial | None:
        """See `Launcher.choose`; the longest. Which of those in flight start first is Slurm's to say."""
        if not waiting or len(self._trials) >= self._capacity:
            return None
        return max(waiting, key=lambda trial: self._seconds.get(trial.key, 0.0))

    def submit(self, trial: Trial) -> None:
        """See `Launcher.submit`; jobs go to Slurm at the next ``wait``, as arrays."""
        if len(self._trials) >= self._capacity:
            raise RuntimeError(f"{self._capacity} trials are in flight")
        files = JobFiles(self._folder, trial.key)
        for left in (files.events, files.begun, files.end):  # of a trial that is submitted again
            left.unlink(missing_ok=True)
        self._trials.append(_Submitted(trial, files, EventFile(files.events)))

    def wait(self) -> None:
        """See `Launcher.wait`."""
        if not self._trials:
            return
        self._send()
        self._listen(_MOMENT_SECONDS)
        self._cancel_due()

    def end(self, key: str, reason: str) -> None:
        """See `Launcher.end`."""
        for each in tuple(self._trials):
            if each.trial.key != key or each.reason is not None:
                continue
            each.reason, each.deadline = reason, time.monotonic() + ENDING_SECONDS
            if each.job is None:
                self._over(each, Killed(key, None, reason, closed=True))
                continue
            each.files.end.write_text(reason)
            if not each.files.begun.exists():
                each.deadline = 0.0  # cancelled with all others of its kind, in one request

    def stop(self, grace_seconds: float) -> None:
        """See `Launcher.stop`."""
        for trial in self.in_flight:
            self.end(trial.key, "stopped by the orchestrator")
        self._cancel_due()
        self._listen_until(time.monotonic() + grace_seconds, patient=True)
        self._cancel(self._trials)
        self._listen_until(time.monotonic() + _FORCED_SECONDS, patient=False)
        for each in tuple(self._trials):
            reason = each.reason or "stopped by the orchestrator"
            self._over(each, Killed(each.trial.key, each.run_id, reason, closed=False))
        if not self._keep_logs:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self) -> None:
        """Submit what is new, as one array for each size of job."""
        new = [each for each in self._trials if each.job is None]
        self._cancel_earlier(new)
        groups: dict[Demand, list[_Submitted]] = {}
        for each in new:
            groups.setdefault(self._demand(each.trial), []).append(each)
        for demand, of in groups.items():
            executor = self._executor(demand)
            # Where no number was given, an exclusive node, or a flag in ``extra``, may still have some.
            place = placed(self._place, demand) if demand.gpus else self._place
            try:
                with executor.batch():
                    jobs = [
                        executor.submit(_Requeued(self._act, each.trial, place, each.files)) for each in of
                    ]
            except FailedJobError as error:
                self._refused(of, demand, error)
                continue
            for each, job in zip(of, jobs, strict=True):
                each.job = job
                self._note_of(each.trial.key).write_text(job.job_id)
            self._accepted = True

    def _refused(self, of: Sequence[_Submitted], demand: Demand, error: FailedJobError) -> None:
        """What Slurm has never taken is wrong; what it took before, and takes no more, fails these alone."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = f"sbatch takes no jobs: {lines[-1] if lines else 'it does not say why'}"
        if not self._accepted:
            raise InputError(
                f"--launcher slurm: {said}; mend the launcher's options, or what a trial asks for ({demand})"
            ) from error
        for each in of:
            self._over(each, Failed(each.trial.key, None, said, closed=True, cause="died"))

    def _demand(self, trial: Trial) -> Demand:
        return demand_of(trial, self._gpus, self._place.device, gpus_there=False)

    def _executor(self, demand: Demand) -> submitit.Executor:
        options = self._options
        if options.cluster == "local":
            here = submitit.LocalExecutor(self._folder, max_num_timeout=options.requeues)
            here.update_parameters(
                timeout_min=options.minutes,
                signal_delay_s=options.signal_seconds,
                gpus_per_node=int(demand.gpus),
                stderr_to_stdout=True,
            )
            return here
        try:
            executor = submitit.SlurmExecutor(self._folder, max_num_timeout=options.requeues)
        except RuntimeError as error:
            raise InputError(
                "--launcher slurm: no srun is on this machine's PATH; run ablab where jobs are submitted, or "
                "try it out with --launcher-option cluster=local"
            ) from error
        executor.update_parameters(**sbatch_parameters(options, demand, self._study, self._capacity))
        return executor

    def _listen_until(self, deadline: float, *, patient: bool) -> None:
        while self._trials and (left := deadline - time.monotonic()) > 0:
            if patient and requests() > _PATIENT_REQUESTS:
                return
            self._listen(min(left, _MOMENT_SECONDS))

    def _listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._hear() and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            for each in tuple(self._trials):
                self._look_after(each)

    def _hear(self) -> bool:
        heard = False
        for each in tuple(self._trials):
            for event in each.events.news():
                heard = True
                if isinstance(event, End):
                    self._over(each, event)
                    break
                if isinstance(event, Started):
                    each.run_id = event.run_id
                self._emit(event)
        return heard

    def _look_after(self, each: _Submitted) -> None:
        """A job that has ended without saying how."""
        if each.job is None or not each.job.done():
            each.gone_since = None
            return
        each.gone_since = each.gone_since or time.monotonic()
        if each.reason is None and time.monotonic() - each.gone_since < _SETTLE_SECONDS:
            return
        key, state = each.trial.key, each.job.state
        if each.reason is not None or state.startswith("CANCELLED"):
            reason = each.reason or f"job {each.job.job_id} was cancelled in Slurm"
            self._over(each, Killed(key, each.run_id, reason, closed=False))
            return
        self._keep_logs = True
        died = WorkerDiedError(
            f"job {each.job.job_id} ended as {state} without a result{_last_words(each.job)}"
        )
        cause: Cause = "memory" if state.startswith("OUT_OF_MEMORY") else "died"
        self._over(each, Failed(key, each.run_id, str(died), closed=False, cause=cause))

    def _over(self, each: _Submitted, end: End) -> None:
        self._trials.remove(each)
        if not each.may_live:
            self._note_of(each.trial.key).unlink(missing_ok=True)
        self._emit(end)

    def _cancel_due(self) -> None:
        self._cancel([each for each in self._trials if time.monotonic() > each.deadline])

    def _cancel(self, several: Sequence[_Submitted]) -> None:
        for each in several:
            each.deadline = math.inf
        submitted = [(each, each.job) for each in several if each.job is not None]
        if self._options.cluster == "local":
            for _, job in submitted:
                with contextlib.suppress(ProcessLookupError):
                    job.cancel(check=False)
            return
        answered = _scancel(job.job_id for _, job in submitted)
        for each, job in submitted:
            each.may_live = not answered
            if not answered:
                each.deadline = time.monotonic() + ENDING_SECONDS
                self._emit(Warned(each.trial.key, f"{_UNANSWERED}; job {job.job_id} may still run"))

    def _cancel_earlier(self, new: Sequence[_Submitted]) -> None:
        """Jobs that a dead orchestrator left in Slurm's queue must not train these a second time."""
        notes = [note for each in new if (note := self._note_of(each.trial.key)).exists()]
        jobs = [note.read_text() for note in notes]
        if self._options.cluster == "slurm" and not _scancel(jobs):
            for each in new:  # they are not begun, so their notes stay those of the earlier jobs
                each.may_live = True
            raise LauncherError(
                f"--launcher slurm: {_UNANSWERED}, and what an earlier run left may still train the same "
                f"trials (jobs {', '.join(jobs)}); run this again once 'scontrol ping' says UP"
            )

    def _note_of(self, key: str) -> Path:
        return self._folder.parent / f"{key}.job"


def make(act: Act, place: Place, emit: Emit, request: Request) -> Launcher:
    """See `ablab.orchestration.launchers.MakeLauncher`."""
    return SlurmLauncher(act, place, emit, request)


_UNANSWERED = "scancel gets no answer from Slurm's controller"
_AWAY = re.compile(r"unable to contact|connection refused|timed out", re.IGNORECASE)
"""What scancel says then; that a job has ended long ago is an answer."""


def _scancel(jobs: Iterable[str]) -> bool:
    """Have jobs cancelled, also such as have ended; False where Slurm has not answered in time."""
    named = list(jobs)
    if named:
        try:
            done = subprocess.run(
                ["scancel", *named], check=False, capture_output=True, text=True, timeout=_ANSWER_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return not _AWAY.search(done.stderr)
    return True


def sbatch_parameters(options: Options, demand: Demand, study: str, at_once: int) -> dict[str, Any]:
    """submitit's names for what a job asks for; what nobody has set is left to the cluster."""
    wanted = {
        "job_name": f"ablab-{study}",
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
        "time": options.minutes,
        "mem": None if options.mem_gb is None else f"{round(options.mem_gb * 1024)}M",
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": demand.cpus,
        "gpus_per_node": int(demand.gpus) or None,
        "array_parallelism": at_once,
        "signal_delay_s": options.signal_seconds,
        "setup": [options.setup] if options.setup else None,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **options.extra},
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _last_words(job: submitit.Job[None]) -> str:
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in (job.stdout() or "").splitlines() if line.strip()]
        return f": {' | '.join(lines[-_LINES_OF_LAST_WORDS:])}" if lines else ""
    return ""
