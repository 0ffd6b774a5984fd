"""How much memory there is, and whether the kernel has ended processes for want of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory that this process may use, looked at once."""

    kills: int
    """Processes that the kernel has ended for want of memory so far, in this control group or machine."""
    limit_bytes: int
    """Of the control group, or all that the machine has."""
    is_limited: bool
    """Whether ``limit_bytes`` is that of a control group (a container, a batch job)."""

    def __str__(self) -> str:
        return f"{gib(self.limit_bytes)} {'allowed here' if self.is_limited else 'of this machine'}"


def look(root: Path = Path("/")) -> Memory:
    """Look at the memory now; ``root`` is where ``proc`` and ``sys`` are.

    Reads the control group's own counter where there is one (``memory.events``, or ``memory.oom_control`` of
    version 1): the machine's, in ``/proc/vmstat``, counts what happens in other containers too.
    """
    machine = psutil.virtual_memory().total
    kills = limit = None
    for folder in _groups(root):
        for name, pattern in (
            ("memory.events", r"^oom_kill (\d+)"),
            ("memory.oom_control", r"^oom_kill (\d+)"),
        ):
            kills = _number(folder / name, pattern) if kills is None else kills
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(folder / name, r"^(\d+)$") if limit is None else limit
    if kills is None:
        kills = _number(root / "proc" / "vmstat", r"^oom_kill (\d+)") or 0
    if limit is None or limit >= machine:
        return Memory(kills, machine, is_limited=False)
    return Memory(kills, limit, is_limited=True)


def gib(n_bytes: float) -> str:
    """
    >>> gib(3 * 2**29), gib(5 * 2**20)
    ('1.5 GiB', '5 MiB')
    """
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**29 else f"{n_bytes / 2**20:.0f} MiB"


def _groups(root: Path) -> list[Path]:
    """Folders of this process's memory control group, for both versions of the interface."""
    folders = []
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    mount = root / "sys" / "fs" / "cgroup"
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            folders += [mount / path.lstrip("/"), mount]
        elif "memory" in controllers.split(","):
            folders += [mount / "memory" / path.lstrip("/"), mount / "memory"]
    return folders


def _number(file: Path, pattern: str) -> int | None:
    try:
        found = re.search(pattern, file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
