"""Everything that can be told of a split folder: what it holds, what is wrong, what leaks, what is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablab.data.corpus import SFREQ, SharedStimulus
from ablab.data.inspection import inspect, length_problems
from ablab.data.layout import SPLITS
from ablab.data.leakage import Leak
from ablab.data.stimuli import leaks, shared_stimuli
from ablab.errors import Problem


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What ``ablab data check`` prints."""

    folder: str
    subjects: tuple[str, ...]
    n_recordings: int
    minutes: Mapping[str, float]
    """By split."""
    n_chans: int
    fingerprint: str
    problems: tuple[Problem, ...]
    leaks: tuple[Leak, ...] | None
    """None where problems kept the search from being made."""
    shared_stimuli: tuple[SharedStimulus, ...]
    notices: tuple[str, ...]


def check_folder(folder: Path, *, cache: Path | None = None) -> FolderReport:
    """Read and judge everything in ``folder``; with ``cache``, files known from before are not read again."""
    inspection = inspect(folder, cache=cache)
    problems = (*inspection.problems, *length_problems(inspection, n_window=1, train_fraction=1.0))
    minutes = dict.fromkeys(SPLITS, 0.0)
    for part in inspection.parts:
        minutes[part.split] += inspection.n_times(part) / SFREQ / 60
    return FolderReport(
        folder=str(folder),
        subjects=tuple(sorted({part.subject for part in inspection.parts})),
        n_recordings=len({(part.subject, part.recording) for part in inspection.parts}),
        minutes=minutes,
        n_chans=inspection.n_chans,
        fingerprint=inspection.fingerprint,
        problems=problems,
        leaks=None if problems else leaks(inspection, cache=cache),
        shared_stimuli=shared_stimuli(inspection),
        notices=inspection.notices,
    )
