"""A researcher's own recordings: which files there are, whose they are, and what they hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import SFREQ
from ablab.data.layout import FEATURES, SEPARATOR, nearest
from ablab.errors import DataError, Problem

_PAIR_SUFFIX = "_eeg"
_FIELDS = ("subject", "recording", "stimulus")


@dataclass(frozen=True, slots=True)
class RawRecording:
    """One recording before it is split: an ``.npz``, or two ``.npy`` files of one stem."""

    file: Path
    """The ``.npz``, or the ``_eeg.npy`` of the two."""
    stem: str
    subject: str
    recording: str
    stimulus: str | None


def by_pattern(folder: Path, pattern: str) -> tuple[RawRecording, ...]:
    """Recordings whose stems match ``pattern``, such as ``{subject}_{recording}``.

    A field ends where the text behind it first occurs: with that pattern, ``sub-01_story_2`` is subject
    ``sub-01`` and recording ``story_2``.
    """
    matcher = _matcher(pattern)
    problems, found = [], []
    for stem, file in _files(folder).items():
        match = matcher.fullmatch(stem)
        if match is None:
            reason = f"the name does not match the pattern '{pattern}'; give another --pattern, or a --table"
            problems.append(Problem(str(file), None, "", reason))
        else:
            fields = match.groupdict()
            found.append(
                RawRecording(file, stem, fields["subject"], fields["recording"], fields.get("stimulus"))
            )
    return _distinct(found, problems)


def by_table(folder: Path, table: Path) -> tuple[RawRecording, ...]:
    """Recordings that a CSV names: columns ``file, subject, recording`` and, where known, ``stimulus``."""
    files = _files(folder)
    try:
        text = table.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError([Problem(str(table), None, "", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError([Problem(str(table), None, "", f"cannot be read as UTF-8 text ({fault})")]) from fault
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    missing = {"file", "subject", "recording"} - set(rows.fieldnames or ())
    if missing:
        columns = ", ".join(sorted(missing))
        reason = f"lacks the columns {columns}; the first line must name file, subject, recording"
        raise DataError([Problem(str(table), 1, "", reason)])
    problems, found = [], []
    for row in rows:
        stem = _stem(row["file"] or "")
        if stem not in files:
            reason = f"'{row['file']}' is not in {folder}{nearest(stem, files)}"
            problems.append(Problem(str(table), rows.line_num, "file", reason))
        elif not (row["subject"] and row["recording"]):
            problems.append(Problem(str(table), rows.line_num, "", "subject or recording is empty"))
        else:
            found.append(
                RawRecording(files[stem], stem, row["subject"], row["recording"], row.get("stimulus") or None)
            )
    return _distinct(found, problems)


def load(raw: RawRecording, sfreq: float) -> dict[str, NDArray[np.float64]]:
    """``eeg (n_times, n_chans)`` and ``envelope (n_times, 1)`` at 64 Hz, as float64.

    Raises DataError with everything that is wrong with the recording.
    """
    arrays = _arrays(raw)
    problems = [
        Problem(str(raw.file), None, feature, fault)
        for feature in FEATURES
        for fault in _faults(feature, arrays)
    ]
    if problems:
        raise DataError(problems)
    signals = {feature: np.asarray(arrays[feature], dtype=np.float64) for feature in FEATURES}
    signals["envelope"] = signals["envelope"].reshape(-1, 1)
    n_eeg, n_envelope = (len(signals[feature]) for feature in FEATURES)
    if n_eeg != n_envelope:
        reason = f"eeg has {n_eeg} samples and envelope {n_envelope}; cut both to the same stretch of time"
        raise DataError([Problem(str(raw.file), None, "", reason)])
    return {feature: _resampled(signal, sfreq) for feature, signal in signals.items()}


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError([Problem(str(folder), None, "", "there is no such folder")])
    names = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    found = {entry.stem: entry for entry in names if entry.suffix == ".npz"}
    found |= {_stem(entry.name): entry for entry in names if entry.name.endswith(f"{_PAIR_SUFFIX}.npy")}
    if not found:
        reason = "holds neither .npz files nor <stem>_eeg.npy files"
        raise DataError([Problem(str(folder), None, "", reason)])
    return found


def _stem(name: str) -> str:
    return Path(name).stem.removesuffix(_PAIR_SUFFIX)


def _matcher(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", pattern)
    names = pieces[1::2]
    if not {"subject", "recording"} <= set(names) <= set(_FIELDS) or len(set(names)) != len(names):
        reason = f"'{pattern}' must hold {{subject}} and {{recording}} once each, and may hold {{stimulus}}"
        raise DataError([Problem("--pattern", None, "", reason)])
    fields = [f"(?P<{name}>.+{'' if index == len(names) - 1 else '?'})" for index, name in enumerate(names)]
    literals = [re.escape(piece) for piece in pieces[::2]]
    return re.compile(
        literals[0] + "".join(field + text for field, text in zip(fields, literals[1:], strict=True))
    )


def _distinct(found: Sequence[RawRecording], problems: list[Problem]) -> tuple[RawRecording, ...]:
    seen: dict[tuple[str, str], Path] = {}
    for raw in found:
        for field in (raw.subject, raw.recording):
            if SEPARATOR in field or "/" in field or field.startswith("."):
                reason = f"'{field}' cannot stand in a file name of the split layout; name it otherwise"
                problems.append(Problem(str(raw.file), None, "", reason))
        first = seen.setdefault((raw.subject, raw.recording), raw.file)
        if first != raw.file:
            reason = f"subject '{raw.subject}', recording '{raw.recording}' is {first.name} already"
            problems.append(Problem(str(raw.file), None, "", reason))
    if problems:
        raise DataError(problems)
    return tuple(found)


def _arrays(raw: RawRecording) -> dict[str, NDArray[Any]]:
    try:
        if raw.file.suffix == ".npz":
            with np.load(raw.file, allow_pickle=False) as archive:
                return {feature: archive[feature] for feature in FEATURES}
        partner = raw.file.with_name(f"{raw.stem}_envelope.npy")
        return {
            feature: np.load(file, mmap_mode="r", allow_pickle=False)
            for feature, file in zip(FEATURES, (raw.file, partner), strict=True)
        }
    except KeyError as fault:
        reason = f"holds no array {fault.args[0]!r}; save it with np.savez(file, eeg=..., envelope=...)"
        raise DataError([Problem(str(raw.file), None, "", reason)]) from fault
    except FileNotFoundError as fault:
        reason = f"its partner {raw.stem}_envelope.npy is missing"
        raise DataError([Problem(str(raw.file), None, "", reason)]) from fault
    except (OSError, ValueError, EOFError) as fault:
        raise DataError([Problem(str(raw.file), None, "", f"cannot be read ({fault})")]) from fault


def _faults(feature: str, arrays: dict[str, NDArray[Any]]) -> list[str]:
    array = arrays[feature]
    if array.dtype.kind not in "fiu":
        return [f"dtype is {array.dtype}; it must hold real numbers"]
    if feature == "eeg" and array.ndim != 2:
        return [f"shape {array.shape}; it must be (n_times, n_chans)"]
    if feature == "eeg" and array.shape[1] == arrays["envelope"].size != array.shape[0]:
        return [f"shape {array.shape}: time is the second axis; save the transpose"]
    if feature == "envelope" and (array.ndim not in (1, 2) or array.size != len(array)):
        return [f"shape {array.shape}; it must be (n_times,) or (n_times, 1)"]
    n_bad = int(np.count_nonzero(~np.isfinite(array)))
    return (
        [f"{n_bad} values are NaN or infinite; interpolate them or leave the recording out"] if n_bad else []
    )


def _resampled(signal: NDArray[np.float64], sfreq: float) -> NDArray[np.float64]:
    ratio = (Fraction(SFREQ) / Fraction(sfreq).limit_denominator(1000)).limit_denominator(100_000)
    if ratio == 1:
        return signal
    # scipy's signal module takes half a second to import, and is needed here only.
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(signal, ratio.numerator, ratio.denominator, axis=0, padtype="line"))
