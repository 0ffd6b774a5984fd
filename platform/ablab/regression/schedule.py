"""Gates on a schedule, in the foreground, one at a time; each in a process of its own.

A process of its own, so that a gate runs the code as it then is on disk, and takes nothing of a scheduler
that has been up for months with it. A moment is claimed in the last-run file before its gate starts; two
schedulers of one gate are refused by a lock that the death of its holder frees.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler import events
from apscheduler.events import JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ablab.errors import InputError
from ablab.orchestration.lease import hold
from ablab.orchestration.lock import holder
from ablab.paths import Paths
from ablab.regression import last_run
from ablab.regression.last_run import LastRun
from ablab.regression.moments import first_after, last_until, trigger
from ablab.spec.load_regression import LoadedRegression
from ablab.spec.regression import Schedule

_ABLAB = (sys.executable, "-c", "from ablab.cli.main import main; main()")
_PATIENCE_SECONDS = 60.0
"""For a gate that is told to stop: its trials end within ten, then their runs are written."""
_OUTCOMES = {0: "PASS", 1: "error", 2: "error", 3: "INCONCLUSIVE", 130: "killed"}

_TOLD = events.EVENT_JOB_MISSED | events.EVENT_JOB_ERROR | events.EVENT_JOB_MAX_INSTANCES

Tell = Callable[[str], None]


def serve(
    gates: Sequence[LoadedRegression], *, paths: Paths, options: Sequence[str] = (), tell: Tell
) -> None:
    """Run every gate when it is due, until SIGTERM or SIGINT; then what runs is closed as killed.

    options: handed on to ``ablab regression run``. Raises InputError for a gate without a schedule,
    StudyLockedError where another process serves one of them.
    """
    schedules = {gate.study: _schedule(gate) for gate in gates}
    if len(schedules) < len(gates):
        raise InputError("two of the files are gates of one name; a schedule needs names of their own")
    with ExitStack() as held:
        for gate in gates:
            held.enter_context(hold(paths.lease(f"schedule-{gate.study}"), f"the schedule of {gate.study}"))
        work = _Work(paths, options, tell)
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        scheduler.add_listener(work.hear, _TOLD)
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it would warn of is told by `hear`
        for gate in gates:
            when, schedule = trigger(schedules[gate.study]), schedules[gate.study]
            due = first_after(when, _since(gate, schedule, paths, work.began))
            scheduler.add_job(
                work.run,
                when,
                args=(gate, schedule),
                id=gate.study,
                next_run_time=due,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=schedule.misfire_grace_seconds,
            )
            tell(f"{gate.study}: next {due.isoformat(sep=' ', timespec='seconds')} ({schedule.timezone})")
        with _asked_to_stop() as wait:
            scheduler.start()
            wait()
            tell("stopping")
            work.stop()
            scheduler.shutdown(wait=True)
    tell("stopped")


class _Work:
    """Runs one gate at a time in a child process; its methods are called from several threads."""

    def __init__(self, paths: Paths, options: Sequence[str], tell: Tell) -> None:
        self._paths, self._options, self._tell = paths, tuple(options), tell
        self.began = datetime.now(UTC)
        self._lock = threading.Lock()
        self._stopping = False
        self._child: subprocess.Popen[str] | None = None

    def run(self, gate: LoadedRegression, schedule: Schedule) -> None:
        """Claim the moment that is due, run the gate, write down how it ended."""
        when, now = trigger(schedule), datetime.now(UTC)
        due = last_until(when, _since(gate, schedule, self._paths, self.began), now)
        if due is None:
            return  # claimed before
        last = LastRun(
            gate.regression.name,
            str(gate.source),
            due.isoformat(),
            started=_now(),
        )
        before = last_run.read(gate.study, self._paths)
        busy = holder(gate.study, self._paths)
        if busy is None and before is not None and last_run.still_running(before):
            busy = f"process {before.pid}, which an earlier schedule left"
        if busy is not None:
            # The process that still runs stays in sight of the next moment.
            last = replace(last, pid=before.pid if before is not None else None)
            ended = replace(last, ended=_now(), outcome="skipped", detail=f"{gate.study} is run by {busy}")
        else:
            log = self._paths.regression / f"{gate.study}.log"
            last = replace(last, log=str(log))
            last_run.write(gate.study, last, self._paths)  # the claim, before anything is started
            ended = self._ended(gate, last, log)
        ended = replace(ended, next=first_after(when, datetime.now(UTC)).isoformat())
        last_run.write(gate.study, ended, self._paths)
        detail = f" ({ended.detail})" if ended.detail else ""
        self._tell(f"{gate.study}: {ended.outcome}{detail}; next {ended.next}")

    def hear(self, event: JobEvent) -> None:
        """Tell of a moment that was left out, and of a fault of the schedule itself."""
        match event.code:
            case events.EVENT_JOB_MAX_INSTANCES:
                self._tell(
                    f"{event.job_id}: left out {event.scheduled_run_times[-1]}: the one before still runs"
                )
            case events.EVENT_JOB_MISSED:
                self._tell(
                    f"{event.job_id}: left out {event.scheduled_run_time}: later than its misfire grace"
                )
            case events.EVENT_JOB_ERROR:
                self._tell(f"{event.job_id}: {type(event.exception).__name__}: {event.exception}")

    def stop(self) -> None:
        """Start nothing more, and tell the gate that runs to close what it has open."""
        with self._lock:
            self._stopping = True
            child = self._child
        if child is not None:
            child.send_signal(signal.SIGTERM)
            force = threading.Timer(_PATIENCE_SECONDS, child.kill)
            force.daemon = True
            force.start()

    def _ended(self, gate: LoadedRegression, last: LastRun, log: Path) -> LastRun:
        result = log.with_suffix(".json")
        command = [*_ABLAB, "regression", "run", str(gate.source), "--json", *self._options]
        for file in (log, result):
            file.unlink(missing_ok=True)  # a gate that an earlier schedule left may still write to its own
        with log.open("w", encoding="utf-8") as errors, result.open("w", encoding="utf-8") as output:
            with self._lock:
                if self._stopping:
                    return replace(last, ended=_now(), outcome="killed", detail="the schedule was stopped")
                # A session of its own: Ctrl-C reaches the schedule alone, and it tells the gate.
                child = subprocess.Popen(
                    command, stdout=output, stderr=errors, text=True, start_new_session=True
                )
                self._child = child
            last = replace(last, pid=child.pid)
            last_run.write(gate.study, last, self._paths)
            self._tell(f"{gate.study}: running, due {last.due}, process {child.pid}")
            code = child.wait()
            with self._lock:
                self._child = None
        return _read_result(replace(last, ended=_now(), exit_code=code), result, log)


def _read_result(last: LastRun, result: Path, log: Path) -> LastRun:
    """The verdict from what the gate printed; where it printed none, why."""
    try:
        facts = json.loads(result.read_text(encoding="utf-8"))
        return replace(last, outcome=str(facts["verdict"]), gate=str(facts["gate"]))
    except (OSError, ValueError, KeyError, TypeError):
        code = last.exit_code
        outcome = _OUTCOMES.get(code, "error") if code is not None and code >= 0 else "killed"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return replace(last, outcome=outcome, detail=lines[-1] if lines else f"exit code {code}")


def _schedule(gate: LoadedRegression) -> Schedule:
    if gate.regression.schedule is None:
        raise InputError(
            f"{gate.source}: schedule: missing; 'ablab regression serve' needs it, "
            'such as {cron: "30 1 * * *", timezone: Europe/Berlin}'
        )
    return gate.regression.schedule


def _since(gate: LoadedRegression, schedule: Schedule, paths: Paths, began: datetime) -> datetime:
    """After which moment a run is due: the last one claimed, or else the schedule's own beginning.

    What is older than the grace is let go.
    """
    last = last_run.read(gate.study, paths)
    floor = began if last is None else last.due_at
    return max(floor, datetime.now(UTC) - timedelta(seconds=schedule.misfire_grace_seconds))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], object]]:
    """Hands out a function that returns at the first SIGTERM or SIGINT."""
    read, write = os.pipe()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: os.write(write, b".")) for number in numbers]
    try:
        yield lambda: os.read(read, 1)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        os.close(read)
        os.close(write)
