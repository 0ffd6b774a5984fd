"""SIGINT and SIGTERM as one orderly interruption: raised where that is safe, held back where it is not.

Signals belong to the process, so the state here does too. Only the main thread can be interrupted.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _State:
    def __init__(self) -> None:
        self.count = 0
        self.shielded = False


_state = _State()


def requests() -> int:
    """How many times an end was asked for since the outermost ``interruptible`` was entered."""
    return _state.count


def request(signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
    """What the handlers do: note the request, and raise KeyboardInterrupt unless shielded."""
    _state.count += 1
    if not _state.shielded:
        raise KeyboardInterrupt


@contextmanager
def interruptible(*signals: signal.Signals) -> Iterator[None]:
    """The signals raise KeyboardInterrupt in the block, but not inside ``shielded``."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.count = 0
    _state.shielded = False
    before = [signal.signal(number, request) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Nothing is raised in the block; on leaving it, a request that came meanwhile is.

    For what must not be cut in two, such as the last write of a run.
    """
    outer, count = _state.shielded, _state.count
    _state.shielded = True
    try:
        yield
    finally:
        _state.shielded = outer
    if not outer and _state.count > count:
        raise KeyboardInterrupt


@contextmanager
def exposed() -> Iterator[None]:
    """Inside ``shielded``: requests are raised again in the block, also one that is pending."""
    outer = _state.shielded
    _state.shielded = False
    try:
        if outer and _state.count:
            raise KeyboardInterrupt
        yield
    finally:
        _state.shielded = outer
