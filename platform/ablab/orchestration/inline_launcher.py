"""Trains in the calling process, one trial at a time: breakpoints, profilers and tests see everything."""

from __future__ import annotations

from collections import deque

from ablab.orchestration.events import Emit, End, Event, Failed, Killed
from ablab.orchestration.interruption import exposed
from ablab.orchestration.launchers import Act, Place
from ablab.spec.trial import Trial


class InlineLauncher:
    """See `ablab.orchestration.launchers.Launcher`; the trial is trained inside ``wait``."""

    capacity = 1

    def __init__(self, act: Act, place: Place, emit: Emit) -> None:
        self._act, self._place, self._emit = act, place, emit
        self._queue: deque[Trial] = deque()

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """See `Launcher.in_flight`."""
        return tuple(self._queue)

    def submit(self, trial: Trial) -> None:
        """See `Launcher.submit`."""
        if self._queue:
            raise RuntimeError("the inline launcher takes one trial at a time")
        self._queue.append(trial)

    def wait(self) -> None:
        """See `Launcher.wait`; an interruption ends the trial as killed and is raised on."""
        if not self._queue:
            return
        trial = self._queue[0]
        ends: list[End] = []

        def pass_on(event: Event) -> None:
            if isinstance(event, End):
                ends.append(event)
            else:
                self._emit(event)

        try:
            with exposed():
                self._act(trial, self._place, pass_on)
        except KeyboardInterrupt:
            self._end(ends, Killed(trial.key, None, "interrupted", closed=False))
            raise
        except Exception as error:
            self._end(ends, Failed(trial.key, None, f"{type(error).__name__}: {error}", closed=False))
            return
        self._end(ends, Failed(trial.key, None, "the trial ended without a result", closed=False))

    def stop(self, grace_seconds: float) -> None:
        """See `Launcher.stop`."""
        while self._queue:
            self._end([], Killed(self._queue[0].key, None, "interrupted", closed=True))

    def _end(self, ends: list[End], otherwise: End) -> None:
        self._queue.popleft()
        self._emit(ends[0] if ends else otherwise)
