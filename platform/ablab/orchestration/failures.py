"""What a trial failed of: the cause, by which it is tried again or not, and one line for people."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from ablab.errors import AblabError, DataError, NonFiniteLossError, StoreError
from ablab.orchestration.events import Cause
from ablab.orchestration.memory import Memory, gib
from ablab.tracking.full_disk import FULL_DISK, is_full_disk

_LINES_OF_LAST_WORDS = 3
_NEARLY_ALL = 0.9
"""Of the memory: a process that had so much and was killed ran out of it, counted or not."""

_GPU = re.compile(
    r"(CUDA|HIP|XPU)( driver)?( error:)? out of memory"
    r"|Triton Error \[CUDA\]: out of memory"
    r"|Cuda failure 2\b"
    r"|(CU|HIP)[A-Z]+_(?!\w*HOST)\w*ALLOC\w*_FAILED"
)
"""What is said of a full GPU by PyTorch's allocator and the driver, Triton, NCCL and the likes of cuBLAS."""
_TRIED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)|Unable to allocate ([\d.]+ \w+)")
_TOTAL = re.compile(r"total capacity of ([\d.]+ \w+)|([\d.]+ \w+) total capacity")
_FREE = re.compile(r"of which ([\d.]+ \w+) is free|([\d.]+ \w+) free")
_OWN = re.compile(r"this process has ([\d.]+ \w+) memory in use|([\d.]+ \w+) already allocated")
_WHICH = re.compile(r"GPU (\d+)")
_MAIN = re.compile(r"can't allocate memory|Cannot allocate memory|std::bad_alloc")
_BROKEN_ARCHIVE = re.compile(r"PytorchStreamWriter|file write failed|inline_container")
"""What PyTorch says of a full disk."""
_NEXT_TO_NOTHING = 2**20


def explain(error: BaseException, folder: Path) -> tuple[Cause, str]:
    """Cause and line of an error that a trial raised; ``folder`` is where it worked."""
    if isinstance(error, NonFiniteLossError):
        return "diverged", first_line(error)
    if isinstance(error, DataError):
        return "error", first_line(error)
    text = "\n".join(str(each) for each in _chain(error))
    if _GPU.search(text):
        return "memory", _gpu_line(text)
    if isinstance(error, MemoryError) or _MAIN.search(text):
        tried = _bytes(text) or _first(_TRIED, text)
        return "memory", "out of memory" + (f": {tried} more were needed" if tried else "")
    if is_full_disk(error) or (_BROKEN_ARCHIVE.search(text) and _free(folder) < _NEXT_TO_NOTHING):
        return "disk", _disk_line(error, folder)
    return ("store" if isinstance(error, StoreError) else "error"), first_line(error)


def cause_of_death(
    exitcode: int, words: str, peak_bytes: int, before: Memory, now: Memory
) -> tuple[Cause, str]:
    """Cause and line of how a worker process ended without a result.

    words: what it had printed. peak_bytes: the most memory it was seen to have. before, now: the memory when
    it was started, and after its end.

    >>> calm = Memory(0, 2**34, is_limited=False)
    >>> cause_of_death(3, "loading\\nterminate called", 0, calm, calm)
    ('died', 'the worker ended with exit code 3: loading | terminate called')
    """
    own = words.partition("Fatal Python error")[0]  # the rest is faulthandler's, and the signal says it
    lines: Sequence[str] = [line.strip() for line in own.splitlines() if line.strip()]
    last = f": {' | '.join(lines[-_LINES_OF_LAST_WORDS:])}" if lines else ""
    had = f"its peak was {gib(peak_bytes)}, with {now}"
    if exitcode == -signal.SIGKILL and now.kills > before.kills:
        return (
            "memory",
            f"out of memory: the kernel killed the worker (SIGKILL) for want of it; {had}{last}",
        )
    if exitcode == -signal.SIGKILL and peak_bytes >= _NEARLY_ALL * now.limit_bytes:
        return "memory", f"out of memory, by all appearances: the worker was killed (SIGKILL); {had}{last}"
    if exitcode == -signal.SIGKILL:
        return "died", f"the worker was killed from outside (SIGKILL, not for want of memory: {had}){last}"
    if exitcode < 0:
        name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else "unknown"
        cause = f"the worker was killed by signal {-exitcode} ({name})"
    else:
        cause = f"the worker ended with exit code {exitcode}"
    if _MAIN.search(words):
        return "memory", f"out of memory: {cause}; {had}{last}"
    if exitcode > 0 and FULL_DISK.search(words):
        return "disk", f"disk full: {cause}{last}. Make room, then run the same command again"
    return "died", f"{cause}{last}"


def first_line(error: BaseException) -> str:
    """An error in one line: its text where ablab wrote it, with its type where it comes from elsewhere."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, AblabError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _gpu_line(text: str) -> str:
    which = _WHICH.search(text)
    parts = [
        (f"{tried} more were needed" if (tried := _first(_TRIED, text)) else ""),
        (f"{free} were free" if (free := _first(_FREE, text)) else ""),
        (f"of {total}" if (total := _first(_TOTAL, text)) else ""),
    ]
    own = _first(_OWN, text)
    numbers = ", ".join(part for part in parts[:2] if part) + (f" {parts[2]}" if parts[2] else "")
    line = f"out of memory on GPU {_as_named_outside(which[1])}" if which else "out of memory on the GPU"
    line += f": {numbers}" if numbers else ""
    return line + (f"; this trial had {own}" if own else "")


def _as_named_outside(number: str) -> str:
    """A worker sees its own GPUs alone, and the first of them as number 0."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return dict(enumerate(names)).get(int(number), "").strip() or number


def _disk_line(error: BaseException, folder: Path) -> str:
    named = [each.filename for each in _chain(error) if isinstance(each, OSError) and each.filename]
    place = Path(str(named[0])) if named else folder
    where = str(place) if named else f"in {folder}"
    there = next((each for each in (place, *place.parents) if each.exists()), Path("/"))
    usage = shutil.disk_usage(there)
    return (
        f"disk full: cannot write {where}; {_size(usage.free)} free of {gib(usage.total)}. "
        "Make room, then run the same command again"
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes} bytes" if n_bytes < _NEXT_TO_NOTHING else gib(n_bytes)


def _free(folder: Path) -> int:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def _bytes(text: str) -> str | None:
    found = re.search(r"you tried to allocate (\d+) bytes", text)
    return gib(int(found[1])) if found else None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), None) if found else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
