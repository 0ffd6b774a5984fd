"""The files with results for people: the per-subject table and predictions."""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import Recording
from ablab.data.layout import SEPARATOR, Part
from ablab.errors import InputError
from ablab.spec.record import SubjectScore
from ablab.training.whole_file import whole_file


def write_subjects(path: Path, subjects: Sequence[SubjectScore]) -> None:
    """CSV, one line per subject under the names of `SubjectScore`'s fields; None and NaN are left empty."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(SubjectScore))
        for subject in subjects:
            table.writerow("" if _is_missing(value) else value for value in asdict(subject).values())


def write_predictions(
    path: Path, recordings: Sequence[Recording], predictions: Sequence[NDArray[np.float32]]
) -> None:
    """An ``.npz`` that `numpy.load` reads without pickle.

    ``subject`` and ``recording`` name the recordings, in order; ``prediction_0``, ``target_0``,
    ``prediction_1`` ... hold their signals, ``(n_times,)`` float32.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "subject": np.array([recording.subject for recording in recordings], dtype=np.str_),
        "recording": np.array([recording.name for recording in recordings], dtype=np.str_),
    }
    for number, (recording, prediction) in enumerate(zip(recordings, predictions, strict=True)):
        arrays[f"prediction_{number}"] = prediction
        arrays[f"target_{number}"] = np.asarray(recording.envelope[:, 0])
    with whole_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def write_prediction_folder(
    folder: Path, recordings: Sequence[Recording], predictions: Sequence[NDArray[np.float32]], split: str
) -> None:
    """Two ``.npy`` files per recording, named as in a split folder: ``prediction`` and its ``envelope``.

    The folder appears when it is whole, in the place of what an earlier call wrote there.
    """
    own = folder.with_name(f".{os.getpid()}.{folder.name}")
    old = folder.with_name(f".{os.getpid()}.{folder.name}.old")
    own.mkdir(parents=True)
    try:
        for recording, prediction in zip(recordings, predictions, strict=True):
            part = Part(split, recording.subject, recording.name)
            np.save(own / part.file_name("prediction"), prediction)
            np.save(own / part.file_name("envelope"), np.asarray(recording.envelope[:, 0]))
        if folder.exists():
            folder.rename(old)
        own.rename(folder)
    finally:
        shutil.rmtree(own, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def refuse_existing(out: Path, force: bool) -> None:
    """InputError where ``out`` is there and ``force`` is not given, or where it is no work of ours."""
    if not out.exists():
        return
    if not force:
        raise InputError(f"{out}: exists already; --force replaces it")
    if (out.suffix == ".npz") is not out.is_file():
        kind = "file" if out.is_file() else "folder"
        raise InputError(f"{out}: is a {kind}; name a file that ends in .npz, or another folder")
    foreign = [] if out.is_file() else [entry.name for entry in out.iterdir() if not _is_ours(entry.name)]
    if foreign:
        raise InputError(f"{out}: holds {foreign[0]}, which is no prediction; nothing was replaced")


def _is_ours(name: str) -> bool:
    return name.count(SEPARATOR) == 3 and name.endswith(("_-_prediction.npy", "_-_envelope.npy"))


def _is_missing(value: str | int | float | None) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
