"""What a killed trial goes on from: its whole state at a step, on disk, the newest two of them.

A file is a plain ``torch.save`` of tensors and plain values, read with ``weights_only=True``, and only where
the checksums of its archive are right: PyTorch itself does not look at them.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ablab.training.whole_file import whole_file

FORMAT = 1
"""Raised when the layout of the file changes."""

KEPT = 2
"""Files kept: where the newest is damaged, the one before stands in."""

State = Mapping[str, Any]
"""Tensors, numbers, text, None, and dicts and lists of them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a state belongs to; with another origin the same steps would not follow from it."""

    key: str
    """The trial's key."""
    code: str
    """Fingerprint of the code that trains."""
    device: str
    """``cpu`` or ``cuda``."""
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Restart:
    """Where a trial keeps its states, and the one that it goes on from."""

    folder: Path
    origin: Origin
    step: int = 0
    """Optimiser steps behind ``state``; 0 where the trial starts afresh."""
    state: State | None = None
    """None where the trial starts afresh."""
    notices: tuple[str, ...] = ()
    """What a person should know: files that were damaged or of no use."""

    def save(self, step: int, state: State) -> None:
        """Write the state at a step, whole or not at all, and drop all but the newest `KEPT`."""
        content = {"format": FORMAT, "origin": asdict(self.origin), "step": step, "state": dict(state)}
        with whole_file(_file(self.folder, step)) as temporary:
            torch.save(content, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # a name that outlives a power cut should not stand for an empty file
        for old in states(self.folder)[KEPT:]:
            old.unlink(missing_ok=True)


def find(folder: Path, origin: Origin) -> Restart:
    """The newest whole state of this origin in ``folder``; changes nothing there."""
    notices = []
    for file in states(folder):
        try:
            content = _read(file)
        except _Damaged as damage:
            notices.append(f"checkpoint {file.name} is damaged ({damage}) and was passed over")
            continue
        found = Origin(**content["origin"])
        if found != origin:
            notices.append(f"checkpoint {file.name} was passed over: {_difference(found, origin)}")
            continue
        return Restart(folder, origin, content["step"], content["state"], tuple(notices))
    return Restart(folder, origin, notices=tuple(notices))


def states(folder: Path) -> list[Path]:
    """The files that there are, the newest first."""
    return sorted(folder.glob("restart-*.pt"), reverse=True)


class _Damaged(Exception):
    pass


def _read(file: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip()
        if wrong is not None:
            raise _Damaged(f"the checksum of {wrong} is wrong")
        content = torch.load(file, map_location="cpu", weights_only=True)
    except _Damaged:
        raise
    except Exception as error:  # whatever a half-written or overwritten file may cause in two parsers
        first = str(error).strip().partition("\n")[0]
        raise _Damaged(first or type(error).__name__) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _Damaged(f"it is not of format {FORMAT}")
    return content


def _difference(found: Origin, wanted: Origin) -> str:
    if found.key != wanted.key:
        return f"it is of trial {found.key[:8]}"
    if found.code != wanted.code:
        return "the code has changed since; the trial starts afresh"
    return (
        f"it is of {found.processes} process(es) on {found.device}, and this is {wanted.processes} on "
        f"{wanted.device}; the trial starts afresh"
    )


def _file(folder: Path, step: int) -> Path:
    return folder / f"restart-{step:010d}.pt"
