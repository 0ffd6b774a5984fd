"""The files a finished trial leaves for people: the per-subject table and the test predictions."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import Recording
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

    ``subject`` and ``recording`` name the test recordings, in order; ``prediction_0``, ``target_0``,
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


def _is_missing(value: str | int | float | None) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
