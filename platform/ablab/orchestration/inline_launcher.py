"""Trains in the calling process, one trial at a time: breakpoints, profilers and tests see everything."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from ablab.errors import InputError
from ablab.orchestration.events import Emit, End, Event, Failed, Killed
from ablab.orchestration.gpus import gpus_of, refuse_too_few
from ablab.orchestration.interruption import exposed
from ablab.orchestration.launchers import Act, Launcher, Place, Request
from ablab.spec.trial import Trial


class _ToldToEnd(KeyboardInterrupt):
    """What a trial is interrupted with that was told to end; the calling process is not."""


class InlineLauncher:
    """See `ablab.orchestration.launchers.Launcher`; the trial is trained inside ``wait``."""

    capacity = 1

    def __init__(self, act: Act, place: Place, emit: Emit) -> None:
        self._act, self._place, self._emit = act, place, emit
        self._queue: deque[Trial] = deque()
        self._ending: str | None = None
        """Why the trial that is in flight was told to end."""

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """See `Launcher.in_flight`."""
        return tuple(self._queue)

    def choose(self, waiting: Sequence[Trial]) -> Trial | None:
        """See `Launcher.choose`; one after the other, in the order given."""
        return waiting[0] if waiting and not self._queue else None

    def submit(self, trial: Trial) -> None:
        """See `Launcher.submit`."""
        if self._queue:
            raise RuntimeError("the inline launcher takes one trial at a time")
        self._queue.append(trial)
        self._ending = None

    def wait(self) -> None:
        """See `Launcher.wait`; an interruption ends the trial as killed and is raised on."""
        if not self._queue:
            return
        trial = self._queue[0]
        ends: list[End] = []

        def pass_on(event: Event) -> None:
            if isinstance(event, End):
                ends.append(event)
                return
            self._emit(event)
            if self._ending is not None and not ends:
                raise _ToldToEnd(self._ending)

        try:
            if self._ending is not None:
                raise _ToldToEnd(self._ending)
            with exposed():
                self._act(trial, self._place, pass_on)
        except _ToldToEnd as told:
            self._end(ends, Killed(trial.key, None, str(told), closed=False))
            return
        except KeyboardInterrupt:
            self._end(ends, Killed(trial.key, None, "interrupted", closed=False))
            raise
        except Exception as error:
            line, text = f"{type(error).__name__}: {error}", traceback.format_exc()
            self._end(ends, Failed(trial.key, None, line, closed=False, traceback=text))
            return
        self._end(ends, Failed(trial.key, None, "the trial ended without a result", closed=False))

    def end(self, key: str, reason: str) -> None:
        """See `Launcher.end`; the trial leaves at the next thing that it tells."""
        if self._queue and self._queue[0].key == key:
            self._ending = reason

    def stop(self, grace_seconds: float) -> None:
        """See `Launcher.stop`."""
        while self._queue:
            self._end([], Killed(self._queue[0].key, None, "interrupted", closed=True))

    def _end(self, ends: list[End], otherwise: End) -> None:
        self._queue.popleft()
        self._emit(ends[0] if ends else otherwise)


def make(act: Act, place: Place, emit: Emit, request: Request) -> Launcher:
    """See `ablab.orchestration.launchers.MakeLauncher`."""
    if request.workers is not None and request.workers > 1:
        raise InputError(
            f"--workers {request.workers}: the inline launcher trains one trial at a time, in this process; "
            "leave --workers out, or use --launcher local"
        )
    refuse_too_few((trial.cell for trial in request.trials), place.device, request.gpus_per_trial)
    if place.device == "auto" and request.gpus_per_trial != 0 and gpus_of("auto"):
        place = replace(place, device="cuda")  # and not the CPU, should CUDA not work
    return InlineLauncher(act, place, emit)
