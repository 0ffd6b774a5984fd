"""When a trial's state is saved, what belongs to it, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

from ablab.diagnostics.session import Diagnostics
from ablab.models.decoder import Decoder
from ablab.training.course import Course
from ablab.training.distributed import World
from ablab.training.health import Health
from ablab.training.latest import Latest
from ablab.training.restart import Restart, State
from ablab.training.seeds import random_state, set_random_state
from ablab.training.steps import Steps


class Saving:
    """Saves at every evaluation, every so many minutes, and when the trial is asked to stop.

    The state is that between two steps. The first process writes it, for all.
    """

    def __init__(
        self,
        restart: Restart | None,
        minutes: float,
        asked_to_stop: Callable[[], bool],
        decoder: Decoder,
        steps: Steps,
        diagnostics: Diagnostics,
        health: Health,
        latest: Latest,
        world: World,
    ) -> None:
        self.seconds_before = 0.0
        """Spent on the trial by earlier processes, up to the state that this one went on from."""
        self._restart = restart
        self._seconds_between = minutes * 60
        self._asked_to_stop = asked_to_stop
        self._decoder = decoder
        self._steps = steps
        self._diagnostics, self._health, self._latest = diagnostics, health, latest
        self._world = world
        self._began = self._saved_at = perf_counter()

    def after_step(self, course: Course) -> None:
        """Save where it is time to; where the trial is to stop, save and raise KeyboardInterrupt."""
        is_asked = self._asked_to_stop()
        is_due = self._restart is not None and perf_counter() - self._saved_at >= self._seconds_between
        if self._world.any(is_asked or is_due):
            self.now(course)
            if self._world.any(is_asked):
                raise KeyboardInterrupt

    @contextmanager
    def on_interruption(self, course: Course) -> Iterator[None]:
        """A block that changes nothing in the state, which is saved where the block is interrupted."""
        try:
            yield
        except KeyboardInterrupt:
            if self._world.size == 1:  # the others may be anywhere, and not answer
                self.now(course)
            raise

    def now(self, course: Course) -> None:
        """Save the state."""
        if self._restart is None:
            return
        own = self._world.gather(
            {
                "steps": self._steps.own_state(),
                "random": random_state(self._device),
                "buffers": {name: buffer.cpu() for name, buffer in self._decoder.named_buffers()},
            }
        )
        if self._world.is_first:
            self._latest.flush()
            state = {
                "weights": self._decoder.state_dict(),
                "steps": self._steps.state(),
                "diagnostics": self._diagnostics.state(),
                "health": self._health.state(),
                "latest": self._latest.state(),
                "course": course.state(),
                "seconds": self.seconds_before + perf_counter() - self._began,
                "processes": own,
            }
            self._restart.save(self._steps.done, state)
        self._saved_at = perf_counter()

    def restore(self, state: State, device: torch.device) -> Course:
        """Put everything back to where the state was taken; returns the course up to there."""
        own = state["processes"][self._world.rank]
        self._decoder.load_state_dict(state["weights"])
        with torch.no_grad():
            for name, buffer in self._decoder.named_buffers():
                buffer.copy_(own["buffers"][name])
        self._steps.restore(state["steps"], own["steps"])
        self._diagnostics.restore(state["diagnostics"])
        self._health.restore(state["health"])
        self._latest.restore(state["latest"])
        self.seconds_before = state["seconds"]
        set_random_state(own["random"], device)
        return Course.restored(state["course"])

    @property
    def _device(self) -> torch.device:
        return next(self._decoder.parameters()).device
