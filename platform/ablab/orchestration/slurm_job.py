"""One trial as a Slurm job: goes on from its checkpoint where the job is requeued. Imports no submitit."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ablab.orchestration.event_lines import EventFile
from ablab.orchestration.events import End, Event, Killed, Started
from ablab.orchestration.far_trial import end_of_earlier_attempt, train_far, wait_for_earlier_attempt
from ablab.orchestration.launchers import Act, Place
from ablab.spec.trial import Trial

SIGNAL = signal.SIGUSR2
"""What Slurm sends ahead of the time limit or of a preemption; NCCL may catch SIGUSR1."""

_SECONDS_TO_BE_KILLED = 60.0
"""A trial that Slurm's SIGTERM has ended waits so long for what Slurm does next: SIGKILL, or `SIGNAL`."""

_log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class JobFiles:
    """What the orchestrating process and a trial's job share, in one folder per `ablab` command."""

    folder: Path
    key: str

    @property
    def events(self) -> Path:
        """What the trial tells."""
        return self.folder / f"{self.key}.events"

    @property
    def begun(self) -> Path:
        """There as soon as the job runs."""
        return self.folder / f"{self.key}.begun"

    @property
    def end(self) -> Path:
        """Why the trial is to end; there as soon as it is."""
        return self.folder / f"{self.key}.end"

    @property
    def owner(self) -> Path:
        """Name of the folder that belongs to the study's latest orchestrating process."""
        return self.folder.parent / "owner"

    @property
    def are_owned(self) -> bool:
        """Whether that process is still the one that submitted the job."""
        try:
            return self.owner.read_text() == self.folder.name
        except FileNotFoundError:
            return False


@dataclass(slots=True)
class Job:
    """What is pickled, submitted and, where Slurm takes its node away, submitted again."""

    act: Act
    trial: Trial
    place: Place
    files: JobFiles

    def __call__(self) -> None:
        """Run or go on with the trial, and write what it tells."""
        if not self.files.are_owned:
            _log.warning("another 'ablab' runs the study by now; this job does nothing")
            return
        events = EventFile(self.files.events)
        earlier = events.news()
        if any(isinstance(event, End) for event in earlier):
            return
        end = self._end_of(earlier) if self.files.begun.exists() else None
        self.files.begun.touch()
        with _Notice() as notice:
            end = end or self._train(events.append, notice)
            if not notice.given():
                events.append(end)

    def _end_of(self, earlier: list[Event]) -> End | None:
        wait_for_earlier_attempt(self.trial, self.place)
        runs = [event.run_id for event in earlier if isinstance(event, Started)]
        return end_of_earlier_attempt(self.trial, self.place, runs[-1]) if runs else None

    def _train(self, tell: Callable[[Event], None], notice: _Notice) -> End:
        reasons: list[str] = []

        def asked_to_end() -> str | None:
            if not reasons and notice.given():
                reasons.append("Slurm takes its node away")
            elif not reasons and self.files.end.exists():
                reasons.append(self.files.end.read_text() or "stopped by the orchestrator")
            return reasons[0] if reasons else None

        end = train_far(self.act, self.trial, self.place, tell, asked_to_end, preload=())
        if isinstance(end, Killed) and not reasons:
            deadline = time.monotonic() + _SECONDS_TO_BE_KILLED
            while time.monotonic() < deadline and not (notice.given() or self.files.end.exists()):
                time.sleep(0.2)
        return end


class _Notice:
    """Holds `SIGNAL` back while a trial runs: submitit's handler leaves the process at once.

    Slurm sends it to all processes of a job. The trial's inherit that it is blocked, and live.
    """

    def __enter__(self) -> _Notice:
        self._came = False
        self._before = signal.signal(SIGNAL, self._note)
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
        return self

    def given(self) -> bool:
        return self._came or SIGNAL in signal.sigpending()

    def __exit__(self, *_: object) -> None:
        """A notice that came is passed on: submitit then has the job requeued, and exits."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})
        signal.signal(SIGNAL, self._before)
        if self._came and callable(self._before):
            self._before(SIGNAL, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
