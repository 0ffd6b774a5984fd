"""EEG shuffled in time: what stays, what goes, and that it is the same wherever it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablab.data.corpus import Corpus
from ablab.data.datasets import fingerprint, open_corpus
from ablab.data.shuffled import BLOCK, NOTICE, block_order
from ablab.data.windows import WindowIndex, gather
from ablab.paths import Paths
from ablab.spec.experiment import SplitFolder


@pytest.mark.parametrize("n_times", [2, 3, 64, 127, 128, 640, 1000])
def test_no_block_stays_where_it_was(n_times: int) -> None:
    length = min(BLOCK, n_times // 2)
    for seed in range(20):
        order = block_order(n_times, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(n_times))
        assert not (order == np.arange(n_times))[: n_times // length * length : length].any()
        # Within a block the samples follow one another.
        assert (np.diff(order) != 1).sum() < -(-n_times // length)


def corpora(folder: Path, paths: Paths, seed: int = 0) -> tuple[Corpus, Corpus]:
    plain = SplitFolder(path=str(folder))
    return open_corpus(plain, paths), open_corpus(plain.model_copy(update={"shuffle_eeg": seed}), paths)


def test_every_split_is_shuffled_and_envelopes_stay(folder: Path, paths: Paths) -> None:
    plain, shuffled = corpora(folder, paths)
    for split in ("train", "validation", "test"):
        for before, after in zip(getattr(plain, split), getattr(shuffled, split), strict=True):
            old, new = np.asarray(before.eeg), np.asarray(after.eeg)
            assert new.shape == old.shape == after.eeg.shape and len(after.eeg) == after.n_times
            assert not np.array_equal(old, new)
            np.testing.assert_array_equal(np.sort(old, axis=0), np.sort(new, axis=0))
            np.testing.assert_array_equal(before.envelope, after.envelope)
    assert NOTICE in shuffled.notices and NOTICE not in plain.notices
    assert shuffled.fingerprint == plain.fingerprint == fingerprint(SplitFolder(path=str(folder)), paths)


def test_a_response_to_the_envelope_is_gone(paths: Paths, tmp_path: Path) -> None:
    from ablab.data.shuffled import shuffled

    rng = np.random.default_rng(0)
    envelope = rng.standard_normal((6400, 1)).astype(np.float32)
    plain, _ = corpora(_one_recording(tmp_path, envelope), paths)
    r = [
        float(np.corrcoef(np.asarray(corpus.train[0].eeg)[:, 0], envelope[:, 0])[0, 1])
        for corpus in (plain, shuffled(plain, 0))
    ]
    assert r[0] > 0.99 and abs(r[1]) < 0.05


def test_the_order_hangs_on_seed_and_recording_alone(folder: Path, paths: Paths) -> None:
    _, first = corpora(folder, paths)
    _, again = corpora(folder, paths)
    _, other = corpora(folder, paths, seed=1)
    one, two = first.train[0], first.train[1]
    np.testing.assert_array_equal(one.eeg, again.train[0].eeg)
    assert not np.array_equal(np.asarray(one.eeg), np.asarray(other.train[0].eeg))
    assert one.n_times == two.n_times
    assert not np.array_equal(one.eeg.order, two.eeg.order)  # type: ignore[attr-defined]


def test_windows_are_those_of_the_shuffled_recording(folder: Path, paths: Paths) -> None:
    _, shuffled = corpora(folder, paths)
    index = WindowIndex(np.array([1, 0]), np.array([17, 300]))
    held = [replace(part, eeg=np.asarray(part.eeg)) for part in shuffled.train]
    found, expected = (np.empty((2, 192, shuffled.n_chans), np.float32) for _ in range(2))
    envelope = np.empty((2, 192, 1), np.float32)
    gather(shuffled.train, index, 192, found, envelope)
    gather(held, index, 192, expected, envelope)
    np.testing.assert_array_equal(found, expected)


def _one_recording(folder: Path, envelope: np.ndarray) -> Path:
    from ablab.data.layout import Part

    target = folder / "one"
    target.mkdir()
    for split, part in (("train", envelope), ("val", envelope[:640] ** 2), ("test", envelope[:640] ** 3)):
        for feature, signal in (("eeg", np.repeat(part, 2, axis=1)), ("envelope", part)):
            np.save(target / Part(split, "sub-01", "a").file_name(feature), signal)
    return target
