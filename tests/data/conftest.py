"""Small split folders of real values, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.data.layout import Part

LENGTHS = {"train": 1280, "val": 640, "test": 640}

WriteFolder = Callable[..., Path]
WritePart = Callable[..., None]


def _signals(seed: int, n_times: int, n_chans: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    envelope = np.convolve(rng.standard_normal(n_times + 15), np.hanning(16), "valid")[:, None]
    eeg = rng.standard_normal((n_times, n_chans)) + 0.3 * envelope
    return eeg.astype(np.float32), envelope.astype(np.float32)


@pytest.fixture
def write_part() -> WritePart:
    """Write a part's features; what is not given is drawn, None is left out."""

    def write(folder: Path, part: Part, n_times: int = 640, seed: int = 99, **features: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        eeg, envelope = _signals(seed, n_times, 4)
        for feature, values in ({"eeg": eeg, "envelope": envelope} | features).items():
            if values is not None:
                np.save(folder / part.file_name(feature), values)

    return write


@pytest.fixture
def write_folder(write_part: WritePart) -> WriteFolder:
    """Write a folder without faults, in which every part has a stimulus of its own."""

    def write(
        folder: Path,
        subjects: tuple[str, ...] = ("sub-02", "sub-10"),
        recordings: tuple[str, ...] = ("a", "b"),
        lengths: dict[str, int] = LENGTHS,
    ) -> Path:
        seed = 0
        for subject in subjects:
            for recording in recordings:
                for split, n_times in lengths.items():
                    seed += 1
                    write_part(folder, Part(split, subject, recording), n_times, seed)
        return folder

    return write


@pytest.fixture
def folder(tmp_path: Path, write_folder: WriteFolder) -> Path:
    """Two subjects, two recordings each, no fault."""
    return write_folder(tmp_path / "split")
