"""Leases: a file says which process works on something, and its heart beats in it while it does.

On the holder's own machine the process itself is asked, by id and start time. Elsewhere, for machines that
share the state root, only the heartbeat tells: a lease whose file has not changed for a minute is stale. Ages
are read off the clock of the file system, so that clocks of machines may differ.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ablab.errors import StudyLockedError

BEAT_SECONDS = 2.0
STALE_SECONDS = 60.0
"""Thirty beats: a machine under load, or a file server that restarts, is not taken for dead."""

_SAME_START_SECONDS = 1.0  # the clock of process start times is corrected now and then
_KIB = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as the file has it."""

    host: str
    machine: str
    """Boot and process namespace: processes of equal machine and host can ask the kernel for one another."""
    pid: int
    created: float
    """Start time of the process: with it a process id that was given to another process is told apart."""
    since: str
    peak_bytes: int = 0
    """The most memory that the process has had resident, at its last heartbeat."""

    @classmethod
    def of_this_process(cls) -> Holder:
        """The calling process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(
            socket.gethostname(), _machine(), os.getpid(), psutil.Process().create_time(), since, peak_bytes()
        )

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine, so that its life can be asked for."""
        return (self.host, self.machine) == (socket.gethostname(), _machine())

    @property
    def is_this_process(self) -> bool:
        """Whether the calling process holds it."""
        return self.is_here and self.pid == os.getpid() and self.process is not None

    @property
    def process(self) -> psutil.Process | None:
        """The living process, where it is one of this machine and still the one that wrote the file."""
        if not self.is_here:
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


@dataclass(frozen=True, slots=True)
class Found:
    """A lease as it is found."""

    file: Path
    holder: Holder | None
    """None where the file is being written, or broken."""
    seconds: float
    """Since the last heartbeat."""

    @property
    def is_live(self) -> bool:
        """Whether its holder may still be at work."""
        if self.holder is not None and self.holder.is_here:
            return self.holder.process is not None
        return self.seconds < STALE_SECONDS

    def __str__(self) -> str:
        who = "another process" if self.holder is None else str(self.holder)
        here = self.holder is not None and self.holder.is_here
        return who if here else f"{who}, whose last sign of life was {self.seconds:.0f} s ago"


def find(file: Path) -> Found | None:
    """The lease in this file, live or stale; None where there is none."""
    try:
        with file.open("rb") as opened:  # opening asks a file server anew, where a stat may be old
            text, changed = opened.read(), os.fstat(opened.fileno()).st_mtime
    except FileNotFoundError:
        return None
    try:
        holder = Holder(**json.loads(text))
    except (ValueError, TypeError):
        holder = None
    if holder is not None and holder.is_here:
        return Found(file, holder, max(0.0, datetime.now().timestamp() - changed))
    return Found(file, holder, max(0.0, _now_of(file.parent) - changed))


@contextmanager
def hold(file: Path, what: str, lost: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lease, with a heartbeat; a stale one is taken over.

    lost: called from the heartbeat's thread where another process has taken the lease over meanwhile, which a
    process that was suspended for long has to expect; SIGTERM to this process where it is not given.

    Raises OSError where the file cannot be written, and StudyLockedError, saying that ``what`` is run, by
    whom and since when.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _take(file, what)
    stop = threading.Event()
    holder = Holder.of_this_process()
    try:
        _write(descriptor, holder)
    except OSError:  # a full disk: an empty lease would keep everybody off for a minute
        file.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    beat = threading.Thread(
        target=_beat,
        args=(file, what, descriptor, holder, stop, lost or end_this_process),
        name=f"heartbeat of {what}",
        daemon=True,
    )
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        if _is_ours(file, descriptor):
            file.unlink(missing_ok=True)
        os.close(descriptor)


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def _take(file: Path, what: str) -> int:
    for _ in range(2):
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            found = find(file)
        if found is not None and found.is_live:
            break
        if found is not None:
            _put_aside(found)
    who = find(file) or "another process"
    raise StudyLockedError(f"{what} is being run by {who}; wait for it, or end it first (lease {file})")


def _put_aside(stale: Found) -> None:
    """Remove a stale lease, and no other: another process may have taken it over a moment ago."""
    aside = stale.file.with_name(f"{stale.file.name}.{socket.gethostname()}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        stale.file.rename(aside)
        taken = find(aside)
        if taken is not None and taken.holder != stale.holder:
            with contextlib.suppress(FileExistsError):
                os.link(aside, stale.file)
        else:
            log.warning("a stale lease was taken over: %s, %s", stale.file.stem, stale)
        aside.unlink(missing_ok=True)


def _beat(
    file: Path,
    what: str,
    descriptor: int,
    holder: Holder,
    stop: threading.Event,
    lost: Callable[[], None],
) -> None:
    while not stop.wait(BEAT_SECONDS):
        if not _is_ours(file, descriptor):
            by: Found | str = "another process"
            with contextlib.suppress(OSError):  # whoever it is, this process has to end
                by = find(file) or "nobody"
            log.warning("%s was taken over by %s; this process ends", what, by)
            lost()
            return
        # The start time anew: it moves with the machine's clock, where that is set.
        now = replace(holder, created=psutil.Process().create_time(), peak_bytes=peak_bytes())
        with contextlib.suppress(OSError):  # a full disk is no reason to die
            _write(descriptor, now)


def _write(descriptor: int, holder: Holder) -> None:
    text = json.dumps(asdict(holder)).encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))
    os.utime(descriptor)


def _is_ours(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a file server that is away for a moment


def end_this_process() -> None:
    """As Ctrl-C would, in good order."""
    os.kill(os.getpid(), signal.SIGTERM)


def _now_of(folder: Path) -> float:
    """What time it is for the file system that holds the folder."""
    probe = folder / f".clock-{socket.gethostname()}-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    parts = []
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)
