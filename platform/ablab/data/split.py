"""Own recordings -> a split folder: cut by time or by stimulus, z-scored with what is trained on, checked.

Nothing stands in the output folder before everything is written and checked.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ablab.data.check import FolderReport, check_folder
from ablab.data.corpus import SFREQ
from ablab.data.layout import FEATURES, Part
from ablab.data.raw import RawRecording, load
from ablab.data.scaling import Scale, time_cuts
from ablab.data.stimuli import leak_problem
from ablab.errors import DataError, LeakageError, Problem

_log = logging.getLogger(__name__)

_HELD_OUT_SHARE = 0.1
"""Of the stimuli, for validation and again for test; at least one each."""


def split_recordings(
    recordings: Sequence[RawRecording],
    out: Path,
    *,
    by: str = "time",
    sfreq: float = SFREQ,
    seed: int = 0,
    force: bool = False,
    allow_leakage: bool = False,
) -> FolderReport:
    """Write ``recordings`` into ``out`` in the split layout and return what its checks say.

    by: ``time`` cuts each recording 80/10/10 and z-scores it with its own train part; ``stimulus`` gives
    whole stimuli to a split, drawn with ``seed``, and z-scores each subject with the subject's training
    recordings. ``force`` replaces a split folder that is there.
    """
    _refuse_existing(out, force)
    own = out.with_name(f".{out.name}.{os.getpid()}")
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    try:
        if by == "time":
            _by_time(recordings, own, sfreq)
        else:
            _by_stimulus(recordings, own, sfreq, assign_stimuli(recordings, seed))
        report = _checked(own, out, allow_leakage)
        if out.exists():
            old = own.with_name(f"{own.name}.old")
            out.rename(old)
            own.rename(out)
            shutil.rmtree(old)
        else:
            own.rename(out)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return report


def assign_stimuli(recordings: Sequence[RawRecording], seed: int) -> dict[str, str]:
    """Stimulus -> split, the same for every subject; about a tenth each for validation and test."""
    nameless = [raw for raw in recordings if raw.stimulus is None]
    if nameless:
        reason = (
            "its stimulus is not known; give a --table with a stimulus column, or {stimulus} in --pattern"
        )
        raise DataError([Problem(str(raw.file), None, "", reason) for raw in nameless])
    stimuli = sorted({str(raw.stimulus) for raw in recordings})
    if len(stimuli) < 3:
        reason = f"{len(stimuli)} stimuli cannot fill train, val and test; split by time instead"
        raise DataError([Problem("--by stimulus", None, "", reason)])
    n_held_out = max(1, round(_HELD_OUT_SHARE * len(stimuli)))
    order = [stimuli[index] for index in np.random.default_rng(seed).permutation(len(stimuli))]
    splits = ["val"] * n_held_out + ["test"] * n_held_out
    return dict(zip(order, splits + ["train"] * (len(order) - len(splits)), strict=True))


def _refuse_existing(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        raise DataError([Problem(str(out), None, "", "exists already; --force replaces it")])
    foreign = [out] if out.is_file() else [entry for entry in out.iterdir() if entry.name.count("_-_") != 3]
    if foreign:
        reason = f"holds {foreign[0].name}, which is no part of a split folder; nothing was replaced"
        raise DataError([Problem(str(out), None, "", reason)])


def _by_time(recordings: Sequence[RawRecording], folder: Path, sfreq: float) -> None:
    faults = _Faults()
    for number, raw in enumerate(recordings):
        _log.info("%d of %d: %s", number + 1, len(recordings), raw.file.name)
        with faults:
            signals = load(raw, sfreq)
            cuts = time_cuts(len(signals["eeg"]))
            for feature, signal in signals.items():
                scale = Scale.of(signal[cuts["train"]])
                for split, cut in cuts.items():
                    part = Part(split, raw.subject, raw.recording)
                    np.save(folder / part.file_name(feature), scale.z_scored(signal[cut]))
    faults.raise_all()


def _by_stimulus(
    recordings: Sequence[RawRecording], folder: Path, sfreq: float, splits: dict[str, str]
) -> None:
    faults = _Faults()
    for subject in sorted({raw.subject for raw in recordings}):
        mine = [raw for raw in recordings if raw.subject == subject]
        trained = [raw for raw in mine if splits[str(raw.stimulus)] == "train"]
        _log.info("%s: %d recordings", subject, len(mine))
        with faults:
            scales = _pooled_scales(subject, trained, sfreq)
        for raw in mine:
            part = Part(splits[str(raw.stimulus)], subject, raw.recording)
            with faults:
                for feature, signal in load(raw, sfreq).items():
                    if not faults.problems:
                        np.save(folder / part.file_name(feature), scales[feature].z_scored(signal))
    faults.raise_all()


def _pooled_scales(subject: str, trained: Sequence[RawRecording], sfreq: float) -> dict[str, Scale]:
    """Scale over all samples of a subject's training recordings, per feature."""
    if not trained:
        reason = "hears no stimulus of the train split; give another --seed or leave the subject out"
        raise DataError([Problem(subject, None, "", reason)])
    loaded = [load(raw, sfreq) for raw in trained]
    widths = {signals["eeg"].shape[1] for signals in loaded}
    if len(widths) > 1:
        reason = f"recordings have {' and '.join(map(str, sorted(widths)))} channels; bring all to the same"
        raise DataError([Problem(subject, None, "", reason)])
    return {
        feature: Scale.of(np.concatenate([signals[feature] for signals in loaded])) for feature in FEATURES
    }


class _Faults:
    """Collects the DataErrors of its ``with`` blocks, so that one pass tells of every file."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, DataError):
            return False
        self.problems += [problem for problem in error.problems if problem not in self.problems]
        return True

    def raise_all(self) -> None:
        """Raise one DataError with everything collected, if there is anything."""
        if self.problems:
            raise DataError(self.problems)


def _checked(folder: Path, out: Path, allow_leakage: bool) -> FolderReport:
    report = check_folder(folder)
    if report.problems:
        raise DataError([_renamed(problem, folder, out) for problem in report.problems])
    if report.leaks and not allow_leakage:
        problems = [_renamed(leak_problem(folder, leak), folder, out) for leak in report.leaks[:10]]
        advice = (
            "nothing was written: training data would stand again in validation or test. Split by stimulus "
            "(--by stimulus), or write it all the same with --allow-leakage"
        )
        raise LeakageError([*problems, Problem(str(out), None, "", advice)])
    return report


def _renamed(problem: Problem, folder: Path, out: Path) -> Problem:
    return Problem(problem.source.replace(str(folder), str(out)), problem.line, problem.key, problem.reason)
