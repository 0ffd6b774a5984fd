from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ablab.data.inspection import inspect, length_problems
from ablab.data.layout import Part

Change = Callable[[NDArray[np.float32]], NDArray[np.generic]]

EEG = Part("train", "sub-02", "b").file_name("eeg")
ENVELOPE = Part("train", "sub-02", "b").file_name("envelope")
TEST_EEG = Part("test", "sub-02", "b").file_name("eeg")


def _faults(folder: Path) -> list[str]:
    problems = inspect(folder, cache=None).problems
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def _change(folder: Path, name: str, change: Change) -> None:
    np.save(folder / name, change(np.load(folder / name)))


def _with(index: tuple[int, int], value: float) -> Change:
    def change(values: NDArray[np.float32]) -> NDArray[np.float32]:
        values[index] = value
        return values

    return change


def _constant(column: int) -> Change:
    def change(values: NDArray[np.float32]) -> NDArray[np.float32]:
        values[:, column] = 1.5
        return values

    return change


def test_a_clean_folder_has_no_problem(folder: Path) -> None:
    assert _faults(folder) == []
    assert inspect(folder, cache=None).n_chans == 4


@pytest.mark.parametrize(
    "name, change, text",
    [
        (EEG, lambda x: x[:-1], "1279 samples, but its envelope has 1280; cut both to the same stretch"),
        (EEG, lambda x: x[:, :3], "has 3 channels where most files have 4"),
        (EEG, lambda x: x[:, 0], "shape (1280,); EEG must be (n_times, n_chans)"),
        (EEG, lambda x: x.T, "if time is second, save the transpose"),
        (EEG, lambda x: x.astype(np.float64), "dtype is float64, not float32; convert it: np.save(file, np."),
        (
            EEG,
            lambda x: (100 * x).astype(np.int16),
            "dtype is int16, not float32; looks unscaled: z-score it",
        ),
        (EEG, lambda x: x.astype(">f4"), "dtype is float32 (byte order >), not float32; convert it"),
        (EEG, _with((17, 2), np.nan), "1 values are NaN or infinite, the first at sample 17, channel 2;"),
        (EEG, _with((0, 0), np.inf), "1 values are NaN or infinite, the first at sample 0, channel 0;"),
        (ENVELOPE, _with((5, 0), np.nan), "1 values are NaN or infinite, the first at sample 5;"),
        (EEG, _constant(3), "constant over the whole train part: channel 3; interpolate it, or drop it"),
        (ENVELOPE, _constant(0), "the envelope is constant; leave the recording out"),
        (
            ENVELOPE,
            lambda x: np.hstack([x, x]),
            "shape (1280, 2); an envelope must be (n_times, 1) or (n_times,)",
        ),
        (EEG, lambda x: x[:0], "too short"),
    ],
)
def test_a_fault_names_its_file_and_what_to_do(folder: Path, name: str, change: Change, text: str) -> None:
    _change(folder, name, change)
    faults = _faults(folder)
    assert any(
        fault.startswith(f"{name}: {text}") or (fault.startswith(name) and text in fault) for fault in faults
    )
    assert all(fault.startswith("train_-_sub-02_-_b") for fault in faults)


def test_all_faults_come_in_one_pass(folder: Path) -> None:
    _change(folder, EEG, _with((1, 1), np.nan))
    _change(folder, TEST_EEG, lambda x: x.astype(np.float64))
    (folder / Part("val", "sub-10", "a").file_name("envelope")).unlink()
    (folder / "odd.npy").touch()
    assert len(_faults(folder)) == 4


def test_a_flat_envelope_is_fine(folder: Path) -> None:
    _change(folder, ENVELOPE, lambda x: x[:, 0])
    assert _faults(folder) == []


def test_a_channel_that_is_constant_in_a_short_test_part_only_is_fine(folder: Path) -> None:
    _change(folder, TEST_EEG, _constant(0))
    assert _faults(folder) == []


def test_other_subjects_faults_do_not_count(folder: Path) -> None:
    _change(folder, EEG, _with((1, 1), np.nan))
    assert inspect(folder, cache=None, subjects=("sub-10",)).problems == ()


def test_windows_and_segments_must_fit(folder: Path, write_part: Callable[..., None]) -> None:
    write_part(folder, Part("test", "sub-10", "b"), n_times=63)
    found = inspect(folder, cache=None)
    assert found.problems == ()
    assert length_problems(found, n_window=1280, train_fraction=1.0)[0].reason == (
        "too short: 63 samples, a score needs at least 64; leave the recording out or split it again"
    )
    reasons = [problem.reason for problem in length_problems(found, n_window=640, train_fraction=0.25)]
    assert len(reasons) == 5
    assert any(
        reason == "too short: 5.0 s after dataset.train_fraction 0.25, a training window has 10 s; "
        "set dataset.window_seconds lower or leave the recording out"
        for reason in reasons
    )
