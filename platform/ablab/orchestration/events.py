"""What a trial tells the process that started it, as values that travel through a pipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ablab.spec.record import SubjectScore

Cause = Literal["error", "diverged", "memory", "disk", "store", "died"]
"""What a trial failed of: an exception, a loss that is not finite, want of memory, a full disk, a store that
is away, the death of its process."""


@dataclass(frozen=True, slots=True)
class Started:
    """The trial's run is open in the store."""

    key: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Advanced:
    """An epoch has ended."""

    key: str
    epoch: int
    """1-based."""
    epochs: int
    values: Mapping[str, float]
    """Latest value of each metric."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a person should look at; the trial goes on."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The trial is done and its run reads finished in the store."""

    key: str
    run_id: str
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    subjects: tuple[SubjectScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The trial ended with an error."""

    key: str
    run_id: str | None
    """None where the run could not be opened, or is not known."""
    error: str
    """First line, for people."""
    closed: bool
    """Whether the run already reads failed in the store; a worker that died could not write it."""
    cause: Cause = "error"
    traceback: str = ""
    """Of the exception, where there was one."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The trial was ended from outside, to be run again."""

    key: str
    run_id: str | None
    reason: str
    closed: bool
    """Whether the run already reads killed in the store."""


End = Finished | Failed | Killed
"""Exactly one of these ends every trial."""

Event = Started | Advanced | Warned | End
Emit = Callable[[Event], None]
