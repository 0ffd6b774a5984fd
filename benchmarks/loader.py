"""Windows per second on the device: ours from disk, memory and a GPU, against a plain Dataset and DataLoader.

The plain one slices each window out of the memory-mapped recording and lets the DataLoader stack them. The
public one does so too, but reads a recording's files whole for every window: so does the published training
code of HappyQuokka, a decoder of the 2023 challenge. Where there is a GPU, the loop then hands the batch on
to it, from page-locked memory. All give windows of the same recordings in the same order.
A bare copy of as many bytes is the bound of any loader that hands out batches in memory: where it is itself
less than 10 times as fast as the plain one, no loader can be.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ablab.data.corpus import Recording
from ablab.data.windows import WindowIndex, draw_epoch
from ablab.training.batches import batches
from ablab.training.residency import Residency, shelve

N_RECORDINGS, N_SAMPLES, BATCH = 40, 20_000, 64
FEATURES = ("eeg", "envelope")
BOUND = "bare copy"
CPU = torch.device("cpu")
CASES = {"10 s, 64 channels": (640, 64), "3 s, 64 channels": (192, 64), "1 s, 16 channels": (64, 16)}


class PlainDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """One window per item."""

    def __init__(self, recordings: list[Recording], index: WindowIndex, n_times: int) -> None:
        self._recordings, self._index, self._n_times = recordings, index, n_times

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, int]:
        number, start = int(self._index.recording[item]), int(self._index.start[item])
        recording, end = self._recordings[number], start + self._n_times
        return torch.tensor(recording.eeg[start:end]), torch.tensor(recording.envelope[start:end]), number


class PublicDataset(PlainDataset):
    """The same windows out of files read whole: HappyQuokka_system_for_EEG_Challenge, util/dataset.py."""

    def __init__(self, folder: Path, recordings: list[Recording], index: WindowIndex, n_times: int) -> None:
        super().__init__(recordings, index, n_times)
        self._folder = folder

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, int]:
        number, start = int(self._index.recording[item]), int(self._index.start[item])
        eeg, envelope = (np.load(_file(self._folder, number, feature)) for feature in FEATURES)
        end = start + self._n_times
        return torch.tensor(eeg[start:end]), torch.tensor(envelope[start:end]), number


class Loader(NamedTuple):
    """One way to draw a number of windows."""

    n_windows: int
    batches: Callable[[], Iterator[object]]


def measure(full: bool = False, device: str = "cpu") -> list[dict[str, str | int | float]]:
    """One row per window and loader; ``times_as_many`` is against the plain one in the same round, and
    ``times_as_many_as_public`` against the public one."""
    place = torch.device(device)
    if place == CPU:
        torch.set_num_threads(1)
    rows: list[dict[str, str | int | float]] = []
    for case, (n_times, n_chans) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            made = noise_recordings(Path(folder), n_chans)
            index = draw_epoch([N_SAMPLES] * N_RECORDINGS, n_times, 64, np.random.default_rng(0))
            loaders = _loaders(Path(folder), made, index, n_times, place)
            rounds = [
                {name: _per_second(loader, place) for name, loader in loaders.items()}
                for _ in range(9 if full else 4)
            ][1:]
        for name in loaders:
            row: dict[str, str | int | float] = {
                "window": case,
                "loader": name,
                "windows_per_second": round(statistics.median(each[name][0] for each in rounds)),
                "times_as_many": round(
                    statistics.median(each[name][0] / each["plain"][0] for each in rounds), 1
                ),
                "times_as_many_as_public": round(
                    statistics.median(each[name][0] / each["public"][0] for each in rounds), 1
                ),
            }
            if place == CPU:
                row["times_as_many_per_cpu_second"] = round(
                    statistics.median(each[name][1] / each["plain"][1] for each in rounds), 1
                )
                row["share_of_the_bound"] = round(
                    statistics.median(each[name][1] / each[BOUND][1] for each in rounds), 2
                )
            rows.append(row)
    return rows


def _loaders(
    folder: Path, recordings: list[Recording], index: WindowIndex, n_times: int, device: torch.device
) -> dict[str, Loader]:
    columns = np.zeros(N_RECORDINGS, dtype=np.int64)
    plain = PlainDataset(recordings, index, n_times)
    public = PublicDataset(folder, recordings, index[: 4 * BATCH], n_times)
    n_values = BATCH * n_times * recordings[0].eeg.shape[1]
    everything = torch.from_numpy(np.concatenate([recording.eeg.ravel() for recording in recordings]))
    copied = torch.from_numpy(np.empty(n_values, dtype=np.float32))
    starts = range(0, len(everything) - n_values + 1, n_values)
    on_gpu = device.type == "cuda"

    def bare_copy() -> Iterator[object]:
        # What no loader can beat that hands out batches of its own: as many bytes, EEG alone, from one end of
        # memory to the other into memory that is used again; no index, no envelope, no subject.
        for _, start in zip(range(len(index) // BATCH), cycle(starts), strict=False):
            yield copied.copy_(everything[start : start + n_values])

    def loaded(data: PlainDataset, workers: int = 0) -> Loader:
        loader = DataLoader(data, batch_size=BATCH, num_workers=workers, pin_memory=on_gpu)
        return Loader(
            len(data), lambda: ([part.to(device, non_blocking=True) for part in batch] for batch in loader)
        )

    def ours(residency: Residency) -> Loader:
        shelf = shelve(recordings, residency, device)
        return Loader(len(index), lambda: batches(shelf, columns, index, n_times, BATCH, device))

    several = 8 if on_gpu else 2
    return {
        "public": loaded(public),
        "plain": loaded(plain),
        f"plain, {several} workers": loaded(plain, several),
        "ours, disk": ours("disk"),
        "ours, memory": ours("memory"),
        **({"ours, device": ours("device")} if on_gpu else {}),
        BOUND: Loader(len(index), bare_copy),
    }


def _per_second(loader: Loader, device: torch.device) -> tuple[float, float]:
    begun, begun_cpu = perf_counter(), process_time()
    for _ in loader.batches():
        pass
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, cpu = perf_counter() - begun, process_time() - begun_cpu
    return loader.n_windows / wall, loader.n_windows / cpu


def noise_recordings(folder: Path, n_chans: int) -> list[Recording]:
    """Memory-mapped recordings of noise in files of ``folder``."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(N_RECORDINGS):
        for feature, width in zip(FEATURES, (n_chans, 1), strict=True):
            np.save(_file(folder, number, feature), rng.standard_normal((N_SAMPLES, width), dtype=np.float32))
        eeg, envelope = (np.load(_file(folder, number, feature), mmap_mode="r") for feature in FEATURES)
        made.append(Recording("s", str(number), eeg, envelope))
    return made


def _file(folder: Path, number: int, feature: str) -> Path:
    return folder / f"{number}_{feature}.npy"
