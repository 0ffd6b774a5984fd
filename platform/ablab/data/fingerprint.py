"""One read of every file: its content hash and what the checks need, remembered by path, size and time.

Never holds more than one block of a file. Judges nothing; ``check`` does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablab.data.json_cache import read_json, write_json

_log = logging.getLogger(__name__)

_VERSION = 1
"""Raised when `FileFacts` changes, so that older caches are read afresh."""
_BLOCK_BYTES = 1 << 22
_SAY_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one pass over an .npy file found."""

    error: str = ""
    """Why it could not be read; empty where it could."""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    digest: str = ""
    """Hash of type, order, shape and values; ``(T,)`` and ``(T, 1)`` with equal values agree."""
    n_bad: int = 0
    """Values that are NaN or infinite."""
    first_bad: tuple[int, ...] = ()
    """Index of the first of them."""
    constant: tuple[int, ...] = ()
    """Columns that hold one value throughout."""


def read_facts(folder: Path, names: Sequence[str], cache: Path | None) -> dict[str, FileFacts]:
    """Facts of the named files; a file whose size and time are known from ``cache`` is not read again."""
    memory = None
    known: dict[str, Any] = {}
    if cache is not None:
        memory = cache / "files" / (hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32] + ".json")
        stored = read_json(memory)
        if isinstance(stored, dict) and stored.get("version") == _VERSION:
            known = stored["files"]
    facts: dict[str, FileFacts] = {}
    entries: dict[str, Any] = {}
    fresh, said = 0, time.monotonic()
    for index, name in enumerate(names):
        stat = (folder / name).stat()
        entry = known.get(name)
        if entry is None or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            entry = [stat.st_size, stat.st_mtime_ns, asdict(_read(folder / name))]
            fresh += 1
        entries[name] = entry
        facts[name] = _facts(entry[2])
        if time.monotonic() - said > _SAY_EVERY_SECONDS:
            said = time.monotonic()
            _log.info("checking %s: %d of %d files", folder, index + 1, len(names))
    if memory is not None and fresh:
        # Entries of other files stay: another selection of subjects may ask for them next.
        write_json(memory, {"version": _VERSION, "folder": str(folder), "files": {**known, **entries}})
    return facts


def folder_fingerprint(facts: Mapping[str, FileFacts]) -> str:
    """32 hex digits over names and contents, wherever the folder lies.

    >>> one, other = ({"a.npy": FileFacts(digest=digest)} for digest in ("1", "2"))
    >>> folder_fingerprint(one) == folder_fingerprint(other)
    False
    """
    lines = [f"{name} {facts[name].digest}" for name in sorted(facts)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def map_array(path: Path) -> NDArray[Any]:
    """The file's array, memory-mapped read-only; ValueError where it is no plain .npy file."""
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    return array


def _facts(stored: Mapping[str, Any]) -> FileFacts:
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
    }
    return FileFacts(**plain)


def _read(path: Path) -> FileFacts:
    try:
        if path.stat().st_size == 0:
            return FileFacts(error="the file is empty; write it again")
        array = map_array(path)
    except (OSError, ValueError, EOFError, SyntaxError) as fault:
        return FileFacts(error=_unreadable(path, fault))
    facts = FileFacts(dtype=_dtype_name(array.dtype), shape=array.shape)
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu" or array.size == 0:
        # check refuses it by shape or type, so no value is looked at; the hash still tells contents apart.
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()
        return FileFacts(dtype=facts.dtype, shape=facts.shape, digest=digest)
    return _scan(array)


def _scan(array: NDArray[Any]) -> FileFacts:
    columns = array.reshape(len(array), -1) if array.ndim == 1 else array
    by_time = columns.flags.c_contiguous
    stored = columns if by_time else columns.T
    n_columns = columns.shape[1]
    order = "C" if by_time else "F"
    head = json.dumps([_dtype_name(array.dtype), order if n_columns > 1 else "C", list(columns.shape)])
    hasher = hashlib.blake2b(head.encode(), digest_size=16)
    low, high = np.empty(n_columns, array.dtype), np.empty(n_columns, array.dtype)
    low[:], high[:] = columns[0], columns[0]
    with np.errstate(invalid="ignore"):
        for first, block in _blocks(stored):
            hasher.update(np.ascontiguousarray(block).data)
            at = slice(None) if by_time else slice(first, first + len(block))
            low[at] = np.minimum(low[at], block.min(axis=0 if by_time else 1))
            high[at] = np.maximum(high[at], block.max(axis=0 if by_time else 1))
        # NaN and infinities survive min and max, so two numbers per column say whether there are any.
        finite = bool(np.isfinite(low).all() and np.isfinite(high).all())
    n_bad, first_bad = (0, ()) if finite else _bad_values(columns)
    return FileFacts(
        dtype=_dtype_name(array.dtype),
        shape=array.shape,
        digest=hasher.hexdigest(),
        n_bad=n_bad,
        first_bad=first_bad,
        constant=tuple(int(index) for index in np.flatnonzero(low == high)),
    )


def _bad_values(columns: NDArray[Any]) -> tuple[int, tuple[int, ...]]:
    count = 0
    first_bad: tuple[int, ...] = ()
    for first, block in _blocks(columns):
        bad = np.argwhere(~np.isfinite(block))
        if len(bad) and not count:
            first_bad = (first + int(bad[0, 0]), int(bad[0, 1]))
        count += len(bad)
    return count, first_bad


def _blocks(rows: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    step = max(1, _BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for first in range(0, len(rows), step):
        yield first, rows[first : first + step]


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.isnative else f"{dtype.name} (byte order {dtype.byteorder})"


def _unreadable(path: Path, fault: Exception) -> str:
    with path.open("rb") as stream:
        magic = stream.read(6)
    if magic[:2] == b"PK":
        return "is an .npz archive named .npy; save the array itself with np.save"
    if magic != b"\x93NUMPY":
        return "is not an .npy file; save the array with np.save"
    if "Python objects" in str(fault) or "object" in str(fault).lower():
        return "holds pickled Python objects, which are never loaded; save a float32 array with np.save"
    return f"cannot be read ({fault}); it may be cut short: write it again"
