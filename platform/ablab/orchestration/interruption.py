"""SIGINT and SIGTERM as one orderly interruption: raised where that is safe, held back where it is not.

Signals belong to the process, so the state here does too. Only the main thread can be interrupted.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class _State:
    def __init__(self) -> None:
        self.count = 0
        self.shielded = False
        self.patience_seconds: float | None = None
        """Set where the first request is held back."""
        self.timer: threading.Timer | None = None
        """Runs where a request is held back now."""


_state = _State()


def requests() -> int:
    """How many times an end was asked for since the outermost ``interruptible`` was entered."""
    return _state.count


def request(signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
    """What the handlers do: note the request, and raise KeyboardInterrupt unless shielded or deferred."""
    _state.count += 1
    if _state.shielded:
        return
    if _state.patience_seconds is not None and _state.timer is None:
        _state.timer = threading.Timer(_state.patience_seconds, os.kill, (os.getpid(), signum))
        _state.timer.daemon = True
        _state.timer.start()
        return
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


@contextmanager
def deferred(patience_seconds: float) -> Iterator[Callable[[], bool]]:
    """The first request in the block is not raised: the value tells of it, and the block ends itself soon.

    Where it has not after ``patience_seconds``, or at a second request, KeyboardInterrupt is raised all the
    same. On leaving the block, a request that was held back is.
    """
    outer = _state.patience_seconds
    _state.patience_seconds = patience_seconds
    try:
        yield lambda: _state.timer is not None
    finally:
        _state.patience_seconds = outer
        held, _state.timer = _state.timer, None
        if held is not None:
            held.cancel()
            held.join()  # so that what it sends arrives here, if at all
    if held is not None:
        raise KeyboardInterrupt
