"""The contract of a launcher, and what it is told when it is made.

Promises that every launcher keeps, held by one shared test class
(``tests/orchestration/launcher_contract.py``):

- ``choose`` names the waiting trial to start now, or none while there is no room for any; it starts nothing.
- ``submit`` takes a trial that was chosen, while fewer than ``capacity`` are in flight, and returns at once.
- ``wait`` hands on what trials tell, in each trial's own order, and returns once at least one event was
  handed on, or after a moment. Without trials in flight it returns at once.
- Every submitted trial ends with exactly one of Finished, Failed or Killed, and then no longer counts as in
  flight. A trial whose process dies ends as Failed with the signal or exit code in the text.
- ``end`` asks one trial to leave, politely as ``stop`` does, and returns at once; the others go on. It may be
  called while an event is handed on. ``wait`` then hands on the trial's one end: Killed, unless it got to
  another end first. One that has not left after ``ENDING_SECONDS`` is ended by force. A key that is not in
  flight is no error: the trial may just have ended.
- ``stop`` ends what is in flight: politely, so that runs are closed as killed, and after ``grace_seconds`` by
  force. Afterwards nothing is in flight and no process of the launcher is left. It can be called twice.
- Trials never see one another: not their failures, not their random state.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ablab.orchestration.events import Emit
from ablab.spec.record import Role
from ablab.spec.trial import Trial
from ablab.spec.values import SpecModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trial is trained: all that a worker would otherwise take from its surroundings."""

    root: Path
    """State root, absolute."""
    store_uri: str | None
    """Address of a shared tracking store; None for the one under ``root``."""
    folder: Path
    """Working directory, which relative data paths refer to."""
    role: Role = "seed"
    device: str = "auto"
    gpu_share: float = 1.0
    """Of the GPU's memory, what the trial may count on: less than all where trials share one."""

    @classmethod
    def here(cls, root: Path, role: Role = "seed", device: str = "auto") -> Place:
        """The calling process's own surroundings, written down."""
        return cls(root.absolute(), os.environ.get("MLFLOW_TRACKING_URI") or None, Path.cwd(), role, device)


ENDING_SECONDS = 15.0
"""For a trial that was told to end: a training step, its state, and the last write of its run."""

Act = Callable[[Trial, Place, Emit], None]
"""Trains a trial and emits Started, Advanced, Warned and one end. Importable by name, so that it travels."""


class Launcher(Protocol):
    """Runs trials somewhere; see the module's docstring for what it promises."""

    @property
    def capacity(self) -> int:
        """How many trials may be in flight at once."""

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """Submitted trials that have not ended, oldest first."""

    def choose(self, waiting: Sequence[Trial]) -> Trial | None:
        """The one to start now; None where there is no room."""

    def submit(self, trial: Trial) -> None:
        """Start a trial."""

    def wait(self) -> None:
        """Hand on events; see the promises."""

    def end(self, key: str, reason: str) -> None:
        """Ask the trial with this key to leave; ``reason`` is for people."""

    def stop(self, grace_seconds: float) -> None:
        """End everything that is in flight."""


class NoOptions(SpecModel):
    """Of a launcher that has none."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a launcher is made for."""

    trials: tuple[Trial, ...]
    """All that are to run, so that what cannot run is refused before anything does."""
    workers: int | None = None
    """Trials at once; None for as many as there is room for."""
    gpus_per_trial: float | None = None
    """As `ablab.spec.grid.Resources` has it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Key -> how long the trial is expected to take; a key that is missing takes as long as the mean."""
    options: SpecModel = field(default_factory=NoOptions)
    """The launcher's own ``Options``."""


MakeLauncher = Callable[[Act, Place, Emit, Request], Launcher]
"""(act, place, where events go, request) -> launcher. Raises InputError where the request cannot be met."""
