"""Whether processes have ended, also where nobody reaps them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil


def is_running(process: psutil.Process) -> bool:
    """Whether it still does anything; an ended orphan stays a zombie until an init process reaps it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def still_running(processes: Iterable[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that have not ended within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    left = [process for process in processes if is_running(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [process for process in left if is_running(process)]
    return left
