"""Corpora from a folder of ``<split>_-_<subject>_-_<recording>_-_<feature>.npy`` files, memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import SFREQ, Corpus, DataSummary, Recording, samples
from ablab.data.fingerprint import map_array
from ablab.data.inspection import Inspection, inspect, length_problems
from ablab.data.layout import SPLITS, Part, list_folder
from ablab.data.leakage import Leak
from ablab.data.stimuli import counted, leak_problem, leaks, shared_notice, shared_stimuli
from ablab.errors import DataError, LeakageError, Problem
from ablab.paths import Paths
from ablab.spec.experiment import SplitFolder

_MOST_LEAKS_TOLD = 10


def open_corpus(dataset: SplitFolder, paths: Paths) -> Corpus:
    """The checked corpus.

    Raises DataError with every fault found, LeakageError where training data stands in validation or test.
    """
    inspection = _checked(dataset, paths)
    return build(
        inspection, dataset.train_fraction, _notices(inspection, _guarded(inspection, dataset, paths))
    )


def fingerprint(dataset: SplitFolder, paths: Paths) -> str:
    """Hash of the contents that would be used; reads only files that changed since the last time."""
    return _checked(dataset, paths).fingerprint


def holds_out_stimuli(dataset: SplitFolder) -> bool:
    """Whether no test recording has a part in training or validation; reads names only."""
    listing = list_folder(Path(dataset.path), dataset.subjects)
    if listing.problems:
        raise DataError(listing.problems)
    names = {split: {(p.subject, p.recording) for p in listing.parts if p.split == split} for split in SPLITS}
    return not names["test"] & (names["train"] | names["val"])


def summary(dataset: SplitFolder, paths: Paths) -> DataSummary:
    """What plans and reports say; reads and searches only what changed since the last time."""
    inspection = _checked(dataset, paths)
    found = leaks(inspection, cache=paths.cache)
    subjects = {part.subject for part in inspection.parts}
    trained = {part.subject for part in inspection.parts if part.split == "train"}
    return DataSummary(
        n_subjects=len(subjects),
        n_recordings=len({(part.subject, part.recording) for part in inspection.parts}),
        minutes=sum(inspection.n_times(part) for part in inspection.parts) / SFREQ / 60,
        leaked_segments=sum(leak.n_segments for leak in found),
        accepted=dataset.accept_leakage if found else None,
        shared_stimuli=shared_stimuli(inspection),
        notices=_notices(inspection, _leak_notice(found, dataset.accept_leakage)),
        simulated=False,
        n_unseen=len(subjects - trained),
    )


def build(inspection: Inspection, train_fraction: float, notices: Sequence[str]) -> Corpus:
    """Map the files of an inspection without problems."""
    recordings: dict[str, list[Recording]] = {"train": [], "val": [], "test": []}
    for part in inspection.parts:
        n_times = inspection.n_times(part)
        used = int(n_times * train_fraction) if part.split == "train" else n_times
        recordings[part.split].append(_recording(inspection.folder, part, used))
    return Corpus(
        n_chans=inspection.n_chans,
        sfreq=SFREQ,
        subjects=tuple(sorted({part.subject for part in inspection.parts if part.split == "train"})),
        train=tuple(recordings["train"]),
        validation=tuple(recordings["val"]),
        test=tuple(recordings["test"]),
        fingerprint=inspection.fingerprint,
        notices=tuple(notices),
        simulated=False,
    )


def _checked(dataset: SplitFolder, paths: Paths) -> Inspection:
    inspection = inspect(Path(dataset.path), cache=paths.cache, subjects=dataset.subjects)
    n_window = samples(dataset.window_seconds)
    too_short = length_problems(inspection, n_window=n_window, train_fraction=dataset.train_fraction)
    if inspection.problems or too_short:
        raise DataError([*inspection.problems, *too_short])
    return inspection


def _guarded(inspection: Inspection, dataset: SplitFolder, paths: Paths) -> str:
    """The notice about accepted leakage, empty where nothing leaks; raises where it is not accepted."""
    found = leaks(inspection, cache=paths.cache)
    if found and dataset.accept_leakage is None:
        problems = [leak_problem(inspection.folder, leak) for leak in found[:_MOST_LEAKS_TOLD]]
        left = len(found) - _MOST_LEAKS_TOLD
        more = f" ({left} more like it)" if left > 0 else ""
        advice = (
            f"training data stands again in validation or test{more}, and a decoder could replay it without "
            "any EEG; split by stimulus ('ablab data split --by stimulus') or say why it does not matter in "
            "dataset.accept_leakage"
        )
        raise LeakageError([*problems, Problem(str(inspection.folder), None, "", advice)])
    return _leak_notice(found, dataset.accept_leakage)


def _leak_notice(found: Sequence[Leak], reason: str | None) -> str:
    if not found:
        return ""
    n_segments = sum(leak.n_segments for leak in found)
    state = "not accepted" if reason is None else f"accepted: {reason}"
    return f"leakage {state} ({counted(n_segments, 'segment')} of validation or test also in training)"


def _notices(inspection: Inspection, leakage: str) -> tuple[str, ...]:
    said = (leakage, shared_notice(shared_stimuli(inspection)), *inspection.notices)
    return tuple(notice for notice in said if notice)


def _recording(folder: Path, part: Part, n_times: int) -> Recording:
    eeg: NDArray[np.float32] = map_array(folder / part.file_name("eeg"))
    envelope: NDArray[np.float32] = map_array(folder / part.file_name("envelope"))
    return Recording(
        part.subject, part.recording, eeg[:n_times], envelope.reshape(len(envelope), 1)[:n_times]
    )
