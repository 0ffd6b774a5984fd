from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ablab.data.check import check_folder
from ablab.data.datasets import DATASETS, fingerprint, open_corpus, summary
from ablab.data.simulate import NOTICE, VERSION, write
from ablab.errors import DataError
from ablab.paths import Paths
from ablab.spec.experiment import Simulated

SMALL = Simulated(n_subjects=2, minutes=2.0, n_chans=8)

GOLDEN = [-0.099866, -0.959402, 0.736198, -0.186502, 1.521127, 0.114368, 0.177156]
"""Samples and moments of a tiny corpus under version 1; see the last test."""


def test_a_corpus_is_written_once_and_opened_like_any_other(paths: Paths) -> None:
    corpus = open_corpus(SMALL, paths)
    (folder,) = (paths.cache / "simulated").iterdir()
    assert folder.name == corpus.fingerprint == fingerprint(SMALL, paths)
    assert corpus.subjects == ("sim-001", "sim-002") and corpus.simulated and corpus.notices == (NOTICE,)
    assert [part.n_times for part in (corpus.train[0], corpus.validation[0], corpus.test[0])] == [
        6144,
        768,
        768,
    ]
    assert isinstance(corpus.train[0].eeg, np.memmap) and corpus.train[0].eeg.dtype == np.float32
    written = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    open_corpus(SMALL, paths)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == written


def test_the_train_part_is_z_scored(paths: Paths) -> None:
    for part in open_corpus(SMALL, paths).train:
        for signal in (part.eeg, part.envelope):
            np.testing.assert_allclose(signal.mean(axis=0), 0, atol=1e-4)
            np.testing.assert_allclose(signal.std(axis=0), 1, atol=1e-4)


def test_the_seed_decides_everything(paths: Paths, tmp_path: Path) -> None:
    first = open_corpus(SMALL, paths)
    again = open_corpus(SMALL, Paths(tmp_path / "other"))
    np.testing.assert_array_equal(first.train[1].eeg, again.train[1].eeg)
    other = open_corpus(Simulated(n_subjects=2, minutes=2.0, n_chans=8, seed=1), paths)
    assert other.fingerprint != first.fingerprint
    assert np.abs(np.corrcoef(first.train[0].envelope[:, 0], other.train[0].envelope[:, 0])[0, 1]) < 0.2


def test_a_listener_stays_the_same_in_a_larger_corpus(paths: Paths) -> None:
    small = open_corpus(SMALL, paths)
    large = open_corpus(Simulated(n_subjects=3, minutes=2.0, n_chans=8), paths)
    np.testing.assert_array_equal(small.test[1].eeg, large.test[1].eeg)


def test_fingerprint_is_of_parameters_and_version_and_generates_nothing(paths: Paths) -> None:
    variants = [
        SMALL,
        Simulated(n_subjects=3, minutes=2.0, n_chans=8),
        Simulated(n_subjects=2, minutes=3.0, n_chans=8),
        Simulated(n_subjects=2, minutes=2.0, n_chans=9),
        Simulated(n_subjects=2, minutes=2.0, n_chans=8, seed=1),
    ]
    assert len({fingerprint(variant, paths) for variant in variants}) == 5
    same = Simulated(n_subjects=2, minutes=2, n_chans=8, train_fraction=0.5, window_seconds=3.0)
    assert fingerprint(same, paths) == fingerprint(SMALL, paths)
    told = summary(SMALL, paths)
    assert (told.n_subjects, told.n_recordings, told.minutes) == (2, 2, 4.0)
    assert told.simulated and told.leaked_segments == 0 and told.notices == (NOTICE,)
    assert not paths.root.exists()


def test_simulated_listeners_hear_stimuli_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "out", Simulated(n_subjects=3, minutes=4.0, n_chans=4))
    report = check_folder(tmp_path / "out")
    assert report.problems == () and report.leaks == () and report.shared_stimuli == ()
    assert report.n_recordings == 6


def test_processes_that_want_the_same_corpus_at_once_make_it_once(paths: Paths) -> None:
    found, faults = [], []

    def work() -> None:
        try:
            found.append(open_corpus(SMALL, paths))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and len(found) == 4
    assert [entry.name for entry in (paths.cache / "simulated").iterdir()] == [fingerprint(SMALL, paths)]


def test_an_interrupted_simulation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already; name a folder that does not"):
        write(tmp_path, SMALL)


def test_too_few_minutes_are_refused(paths: Paths) -> None:
    for act in (open_corpus, summary):
        with pytest.raises(
            DataError, match=r"dataset: minutes: 0\.1 leaves no test part worth scoring; give at least"
        ):
            act(Simulated(minutes=0.1), paths)
    with pytest.raises(DataError, match="a training window has 60 s"):
        open_corpus(Simulated(n_subjects=1, minutes=1.0, n_chans=2, window_seconds=60.0), paths)


def test_every_kind_of_data_set_can_be_opened() -> None:
    assert list(DATASETS) == ["split_folder", "simulated"]


def test_golden_statistics_hold_for_this_version(paths: Paths) -> None:
    # If this fails because the simulator was changed on purpose, raise simulate.VERSION and measure again:
    # stored results of simulated studies would otherwise be compared across two different worlds.
    corpus = open_corpus(Simulated(n_subjects=2, minutes=1.0, n_chans=6, seed=5), paths)
    eeg, envelope = corpus.train[1].eeg, corpus.train[1].envelope[:, 0]
    found = [
        float(envelope[100]),
        float(envelope[2000]),
        float((envelope**3).mean()),
        float(eeg[1000, 0]),
        float(eeg[2500, 5]),
        float(np.corrcoef(eeg.T)[0, 3]),
        float((eeg[:-1, 2] * eeg[1:, 2]).mean()),
    ]
    assert VERSION == 1
    np.testing.assert_allclose(found, GOLDEN, rtol=1e-3, atol=1e-4)
