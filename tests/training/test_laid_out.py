from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from ablab.data.windows import WindowIndex
from ablab.training import laid_out
from ablab.training.laid_out import LaidOut, Signal, end_to_end, where_they_are

CPU = torch.device("cpu")


def _files(folder: Path, *, n_columns: int = 5, lengths: tuple[int, ...] = (40, 31, 57)) -> list[Signal]:
    rng = np.random.default_rng(0)
    for number, length in enumerate(lengths):
        np.save(folder / f"{number}.npy", rng.standard_normal((length, n_columns), dtype=np.float32))
    return [np.load(folder / f"{number}.npy", mmap_mode="r") for number in range(len(lengths))]


def _windows(laid: LaidOut, recording: list[int], start: list[int], n_times: int) -> torch.Tensor:
    into = torch.empty(len(start), n_times, laid.n_columns)
    laid.copier(WindowIndex(np.array(recording, dtype=np.int64), np.array(start, dtype=np.int64)), n_times)(
        slice(None), into
    )
    return into


@pytest.mark.parametrize("how", ["copied", "mapped"])
@pytest.mark.parametrize("n_columns", [1, 5])
def test_every_window_of_every_recording(tmp_path: Path, how: str, n_columns: int) -> None:
    parts = _files(tmp_path, n_columns=n_columns)
    laid = end_to_end(parts, CPU) if how == "copied" else where_they_are(parts)
    assert laid is not None
    at = [(number, start) for number, part in enumerate(parts) for start in range(len(part) - 29)]
    found = _windows(laid, [number for number, _ in at], [start for _, start in at], 30)
    for window, (number, start) in zip(found, at, strict=True):
        assert np.array_equal(window, parts[number][start : start + 30])


def test_mapped_files_are_not_copied_and_stay_mapped(tmp_path: Path) -> None:
    parts = _files(tmp_path)
    expected, address = np.array(parts[1][3:9]), parts[1].ctypes.data
    laid = where_they_are(parts)
    assert laid is not None
    assert laid.values.data_ptr() + 4 * int(laid.first[1]) == address
    del parts
    gc.collect()
    assert np.array_equal(_windows(laid, [1], [3], 6)[0], expected)


@pytest.mark.parametrize("start", [-1, 31 - 30 + 1])
def test_a_window_beyond_its_recording_is_refused(tmp_path: Path, start: int) -> None:
    for laid in (end_to_end(_files(tmp_path), CPU), where_they_are(_files(tmp_path))):
        assert laid is not None
        with pytest.raises(ValueError, match=rf"30 samples from {start} on are not within recording 1 of 31"):
            _windows(laid, [0, 1], [0, start], 30)


def test_recordings_of_other_channels_are_refused(tmp_path: Path) -> None:
    parts = [np.zeros((40, 5), dtype=np.float32), np.zeros((40, 3), dtype=np.float32)]
    for lay in (where_they_are, lambda parts: end_to_end(parts, CPU)):
        with pytest.raises(ValueError, match="recordings of 5 and of 3 columns"):
            lay(parts)


def test_what_cannot_be_one_tensor_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = _files(tmp_path)
    assert where_they_are([]) is None
    assert where_they_are([*parts[:2], np.asfortranarray(parts[2])]) is None
    assert where_they_are([parts[0].astype(np.float64)]) is None  # type: ignore[list-item]
    raw = np.zeros(4 * 10 + 1, dtype=np.uint8)
    assert where_they_are([raw[1:].view(np.float32).reshape(5, 2)]) is None
    monkeypatch.setattr(laid_out, "_MOST_ELEMENTS", 40 * 5)
    assert where_they_are(parts[:1]) is not None
    assert where_they_are(parts) is None


def test_other_orders_and_types_are_copied_as_they_read(tmp_path: Path) -> None:
    parts = _files(tmp_path)
    odd = [np.asfortranarray(parts[0]), parts[1].astype(np.float64)]
    found = end_to_end(odd, CPU)  # type: ignore[arg-type]
    assert torch.equal(found.values, end_to_end(parts[:2], CPU).values)


def test_an_index_of_no_windows_gives_none(tmp_path: Path) -> None:
    assert len(_windows(end_to_end(_files(tmp_path), CPU), [], [], 10_000)) == 0
