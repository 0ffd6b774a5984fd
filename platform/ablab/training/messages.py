"""What a process that trains and the one that started it tell each other, as values on a Unix socket.

The socket lies in a folder that only its owner can enter, so what comes out of it may be unpickled.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ablab.training.distributed import World
from ablab.training.observer import Observer


@dataclass(frozen=True, slots=True)
class Seat:
    """What a task finds in the process it runs in."""

    world: World
    device: str
    """Name of the device of this process."""
    observer: Observer
    """Reaches the caller from the first process; that of the others says nothing."""
    asked_to_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """To each process, once it has said who it is."""

    task: Callable[..., Any]
    """Called with a `Seat` and the arguments, in every process; importable by name."""
    arguments: tuple[Any, ...]
    device: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To each process: leave between two steps."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """To the first process: all that it told has been passed on and flushed."""


@dataclass(frozen=True, slots=True)
class Present:
    """The process is there."""

    rank: int
    pid: int


@dataclass(frozen=True, slots=True)
class Told:
    """A call of the observer."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the log."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The task has returned; only the first process's value is sent."""

    value: Any


@dataclass(frozen=True, slots=True)
class Stopped:
    """The task was left by KeyboardInterrupt."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The task has raised."""

    at: float
    """On the machine's monotonic clock: what the others raise because this process is gone comes later."""
    error: BaseException | None
    """None where it cannot travel."""
    line: str
    traceback: str


Ending = Done | Stopped | Raised


def send(connection: Connection, message: object) -> None:
    """Send as plain pickle: multiprocessing's own would hand tensors over by file descriptor."""
    connection.send_bytes(pickle.dumps(message))


def receive(connection: Connection) -> Any:
    """The next message; EOFError where the other side is gone."""
    try:
        return pickle.loads(connection.recv_bytes())
    except ConnectionResetError as error:
        raise EOFError from error


def connect(address: Path) -> Connection:
    """The connection to the process that listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        opened.connect(str(address))
        return Connection(opened.detach())


def travels(error: BaseException) -> bool:
    """Whether the error is the same on the other side."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return type(again) is type(error) and str(again) == str(error)
