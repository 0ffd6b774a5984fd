from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ablab.data.corpus import Corpus, Recording
from ablab.data.shuffled import ShuffledRows
from ablab.data.windows import WindowIndex, draw_epoch
from ablab.spec.experiment import Simulated
from ablab.spec.identity import trial_key
from ablab.spec.trial import Trial
from ablab.training import residency
from ablab.training.batches import batches, timed
from ablab.training.observer import Observer
from ablab.training.residency import Gathered, Shelf, Sliced, choose, mapped, shelve
from ablab.training.run import run

CPU = torch.device("cpu")
KINDS = ("disk", "memory", "device")


def test_the_spec_knows_the_same_names() -> None:
    assert get_args(Simulated.model_fields["residency"].annotation) == get_args(residency.Residency)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_the_recordings_samples_wherever_they_lie(
    corpus: Corpus, kind: residency.Residency
) -> None:
    # The first and last window of each recording: those next to another one, or to the end.
    ends = [(number, start) for number in range(3) for start in (0, corpus.train[number].n_times - 64)]
    index = WindowIndex(*(np.array(column, dtype=np.int64) for column in zip(*ends, strict=True)))
    eeg, envelope = shelve(corpus.train, kind, CPU).taker(index, 64)(slice(None))
    assert eeg.is_contiguous() and envelope.is_contiguous()
    assert envelope.shape == (6, 64, 1)
    for row, (number, start) in enumerate(ends):
        recording = corpus.train[number]
        assert np.array_equal(eeg[row], recording.eeg[start : start + 64])
        assert np.array_equal(envelope[row], recording.envelope[start : start + 64])


@pytest.mark.parametrize("kind", [Sliced, mapped, lambda parts, device: shelve(parts, "memory", device)])
def test_a_batch_is_good_until_the_next_and_takes_no_new_memory(
    corpus: Corpus, kind: Callable[..., Shelf]
) -> None:
    index = draw_epoch([600] * 3, 64, 4, np.random.default_rng(0))
    shelf = kind(corpus.train, CPU)
    made = batches(shelf, np.zeros(3, dtype=np.int64), index, 64, 4, CPU)
    first = next(made)
    before = first.eeg.clone()
    second = next(made)
    assert second.eeg.data_ptr() == first.eeg.data_ptr()
    assert not torch.equal(first.eeg, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_channel_is_not_its_target(kind: residency.Residency, order: str) -> None:
    rng = np.random.default_rng(0)
    eeg, envelope = (rng.standard_normal((90, 2)).astype(np.float32, order=order)[:, :1] for _ in range(2))
    index = WindowIndex(np.array([0, 0]), np.array([3, 20]))
    found = shelve([Recording("s", "a", eeg, envelope)], kind, CPU).taker(index, 64)(slice(None))
    for batch, signal in zip(found, (eeg, envelope), strict=True):
        assert np.array_equal(batch, np.stack([signal[3:67], signal[20:84]]))


def test_auto_copies_into_memory_what_is_small(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(corpus.train, CPU) == "memory"
    size = sum(recording.eeg.nbytes + recording.envelope.nbytes for recording in corpus.train)
    monkeypatch.setattr(residency, "_MEMORY_BYTES", size - 1)
    assert choose(corpus.train, CPU) == "disk"
    monkeypatch.setattr(residency, "end_to_end", None)  # disk copies nothing
    assert isinstance(shelve(corpus.train, "auto", CPU), Gathered)


def test_a_trial_gives_the_same_bits_and_the_same_key_from_everywhere(
    corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path
) -> None:
    found, keys = [], set()
    for kind in ("auto", *KINDS):
        trial = make_trial(training={"epochs": 2}, dataset={"residency": kind})
        keys.add(trial_key(trial.cell.experiment, "d", 0))
        run(trial, corpus, tmp_path / kind, Observer(), device="cpu")
        found.append(torch.load(tmp_path / kind / "best.pt", weights_only=True)["weights"])
    assert len(keys) == 1
    for other in found[1:]:
        assert all(torch.equal(other[name], weight) for name, weight in found[0].items())


def test_the_wait_for_data_is_told(
    corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path, recorder: Observer
) -> None:
    run(make_trial(), corpus, tmp_path, recorder, device="cpu")
    shares = [value for _, value in recorder.curves["throughput/data_wait_share"]]
    assert len(shares) == 4
    assert all(0 < share < 1 for share in shares)


def test_every_wait_is_counted_and_every_batch_passed_on() -> None:
    waits: list[float] = []
    assert list(timed(iter([1, 2, 3]), waits.append)) == [1, 2, 3]  # type: ignore[list-item]
    assert len(waits) == 4 and min(waits) >= 0


def _turned(recording: Recording) -> Recording:
    return replace(recording, eeg=np.asfortranarray(recording.eeg))


def _rows_in_their_order(recording: Recording) -> Recording:
    rows = ShuffledRows(recording.eeg, np.arange(recording.n_times))
    return replace(recording, eeg=cast("NDArray[np.float32]", rows))


@pytest.mark.parametrize("otherwise", [_turned, _rows_in_their_order])
def test_recordings_that_lie_otherwise_in_memory_are_read_alike(
    corpus: Corpus, otherwise: Callable[[Recording], Recording]
) -> None:
    assert isinstance(mapped(corpus.train, CPU), Gathered)
    turned = [otherwise(part) for part in corpus.train]
    index = draw_epoch([600] * 3, 64, 2, np.random.default_rng(0))
    for kind in KINDS:
        found, expected = (
            shelve(parts, place, CPU).taker(index, 64)(slice(None))[0]
            for parts, place in ((turned, kind), (corpus.train, "disk"))
        )
        assert torch.equal(found, expected)
    assert isinstance(mapped(turned, CPU), Sliced)


@pytest.mark.parametrize(("share", "chosen"), [(1.0, "device"), (0.5, "device"), (0.49, "memory")])
def test_auto_fills_half_of_a_trials_share_of_a_gpu(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, share: float, chosen: str
) -> None:
    size = sum(recording.eeg.nbytes + recording.envelope.nbytes for recording in corpus.train)
    monkeypatch.setattr(residency, "_numbered", lambda device: torch.device(device.type, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * size, 80 * size))
    assert choose(corpus.train, torch.device("cuda"), share) == chosen


def test_a_trial_hands_its_share_on(
    corpus: Corpus, make_trial: Callable[..., Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def heard(recordings: Sequence[Recording], device: torch.device, gpu_share: float) -> str:
        asked.append(gpu_share)
        return "disk"

    monkeypatch.setattr(residency, "choose", heard)
    run(make_trial(), corpus, tmp_path, Observer(), device="cpu", gpu_share=0.25)
    assert asked == [0.25]


def test_sliced_windows_are_checked_as_the_others_are(corpus: Corpus) -> None:
    turned = [_turned(part) for part in corpus.train]
    beyond = WindowIndex(np.array([1]), np.array([corpus.train[1].n_times - 63]))
    with pytest.raises(ValueError, match=r"64 samples from .* on are not within recording 1 of"):
        mapped(turned, CPU).taker(beyond, 64)
    narrow = replace(turned[1], eeg=np.asfortranarray(turned[1].eeg[:, :1]))
    with pytest.raises(ValueError, match=r"recordings of .* and of 1 columns"):
        mapped([turned[0], narrow], CPU)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_windows_on_a_gpu_are_those_of_the_recordings(
    corpus: Corpus, kind: residency.Residency, cuda: str
) -> None:
    device = torch.device(cuda)
    index = draw_epoch([600] * 3, 64, 40, np.random.default_rng(0))
    columns, shelf = np.arange(3), shelve(corpus.train, kind, device)
    assert shelf.crosses == (kind != "device")
    row = 0
    for batch in batches(shelf, columns, index, 64, 7, device):
        assert all(part.device.type == "cuda" for part in batch)
        for eeg, envelope, subject in zip(*(part.cpu() for part in batch), strict=True):
            recording, start = corpus.train[index.recording[row]], index.start[row]
            assert np.array_equal(eeg, recording.eeg[start : start + 64])
            assert np.array_equal(envelope, recording.envelope[start : start + 64])
            assert int(subject) == index.recording[row]
            row += 1
    assert row == 120


@pytest.mark.gpu
def test_auto_takes_the_gpu(corpus: Corpus, cuda: str) -> None:
    assert choose(corpus.train, torch.device(cuda)) == "device"
