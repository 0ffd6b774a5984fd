from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ablab.data import stimuli
from ablab.data.datasets import fingerprint, open_corpus, summary
from ablab.data.layout import Part
from ablab.errors import DataError, LeakageError
from ablab.paths import Paths
from ablab.spec.experiment import SplitFolder

WritePart = Callable[..., None]


def _copy_envelope(folder: Path, source: Part, target: Part) -> None:
    """Let ``target`` (640 samples) be 10 s of ``source``'s stimulus from sample 300 on."""
    envelope = np.load(folder / source.file_name("envelope"))[300:940]
    np.save(folder / target.file_name("envelope"), envelope)


def test_a_corpus_is_mapped_not_loaded_and_says_whose_recordings_they_are(folder: Path, paths: Paths) -> None:
    corpus = open_corpus(SplitFolder(path=str(folder)), paths)
    assert (corpus.n_chans, corpus.sfreq, corpus.simulated, corpus.notices) == (4, 64, False, ())
    assert corpus.subjects == ("sub-02", "sub-10")
    assert [(part.subject, part.name) for part in corpus.train] == [
        ("sub-02", "a"),
        ("sub-02", "b"),
        ("sub-10", "a"),
        ("sub-10", "b"),
    ]
    assert (corpus.n_recordings, corpus.minutes) == (4, pytest.approx(4 * 2560 / 64 / 60))
    for recording in corpus.train + corpus.validation + corpus.test:
        assert isinstance(recording.eeg, np.memmap) and not recording.eeg.flags.writeable
        assert recording.envelope.shape == (recording.n_times, 1)
    np.testing.assert_array_equal(
        corpus.validation[1].eeg, np.load(folder / Part("val", "sub-02", "b").file_name("eeg"))
    )


def test_flat_envelopes_become_columns(folder: Path, paths: Paths) -> None:
    for file in folder.glob("*envelope.npy"):
        np.save(file, np.load(file)[:, 0])
    corpus = open_corpus(SplitFolder(path=str(folder)), paths)
    assert {part.envelope.shape for part in corpus.test} == {(640, 1)}


def test_train_fraction_takes_the_first_part_of_training_only(folder: Path, paths: Paths) -> None:
    whole = SplitFolder(path=str(folder))
    half = SplitFolder(path=str(folder), train_fraction=0.5)
    corpus = open_corpus(half, paths)
    assert {part.n_times for part in corpus.train} == {640} and {part.n_times for part in corpus.test} == {
        640
    }
    np.testing.assert_array_equal(corpus.train[0].eeg, open_corpus(whole, paths).train[0].eeg[:640])
    assert fingerprint(half, paths) == fingerprint(whole, paths) == corpus.fingerprint
    with pytest.raises(
        DataError, match=r"6\.0 s after dataset\.train_fraction 0\.3, a training window has 10 s"
    ):
        open_corpus(SplitFolder(path=str(folder), train_fraction=0.3), paths)


def test_selected_subjects_have_a_fingerprint_of_their_own(folder: Path, paths: Paths) -> None:
    one = SplitFolder(path=str(folder), subjects=("sub-10",))
    corpus = open_corpus(one, paths)
    assert corpus.subjects == ("sub-10",) and len(corpus.train) == 2
    assert fingerprint(one, paths) == corpus.fingerprint != fingerprint(SplitFolder(path=str(folder)), paths)
    both = SplitFolder(path=str(folder), subjects=("sub-10", "sub-02"))
    assert fingerprint(both, paths) == fingerprint(SplitFolder(path=str(folder)), paths)


def test_fingerprint_does_not_depend_on_where_the_folder_is(
    folder: Path, paths: Paths, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(SplitFolder(path=str(copy)), paths) == fingerprint(
        SplitFolder(path=str(folder)), paths
    )


@pytest.mark.parametrize("act", [open_corpus, fingerprint, summary])
def test_faults_are_found_before_anything_is_trained(
    folder: Path, paths: Paths, act: Callable[[SplitFolder, Paths], object]
) -> None:
    np.save(folder / Part("val", "sub-02", "a").file_name("eeg"), np.full((640, 4), np.nan, np.float32))
    with pytest.raises(DataError) as caught:
        act(SplitFolder(path=str(folder), window_seconds=30.0), paths)
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 5 and sum("NaN" in text for text in texts) == 1
    assert sum("too short: 20.0 s, a training window has 30 s" in text for text in texts) == 4


def test_leaked_training_data_is_refused_with_files_and_times(folder: Path, paths: Paths) -> None:
    source, target = Part("train", "sub-02", "a"), Part("test", "sub-10", "b")
    _copy_envelope(folder, source, target)
    with pytest.raises(LeakageError) as caught:
        open_corpus(SplitFolder(path=str(folder)), paths)
    leak, advice = caught.value.problems
    assert leak.source == str(folder / target.file_name("envelope"))
    assert leak.reason == (
        f"10.0 s from 0.0 s, stand in training too: {source.file_name('envelope')} from 4.7 s (r 1.000)"
    )
    assert "dataset.accept_leakage" in advice.reason
    assert summary(SplitFolder(path=str(folder)), paths).leaked_segments == 1


def test_accepted_leakage_is_a_notice(folder: Path, paths: Paths) -> None:
    _copy_envelope(folder, Part("train", "sub-02", "a"), Part("test", "sub-10", "b"))
    dataset = SplitFolder(path=str(folder), accept_leakage="pilot on one story")
    notice = "leakage accepted: pilot on one story (1 segment of validation or test also in training)"
    assert open_corpus(dataset, paths).notices == (notice,)
    told = summary(dataset, paths)
    assert (told.leaked_segments, told.accepted, told.notices) == (1, "pilot on one story", (notice,))
    assert fingerprint(dataset, paths) == fingerprint(SplitFolder(path=str(folder)), paths)


def test_a_reason_without_leakage_is_not_reported(folder: Path, paths: Paths) -> None:
    told = summary(SplitFolder(path=str(folder), accept_leakage="just in case"), paths)
    assert (told.leaked_segments, told.accepted, told.notices) == (0, None, ())


def test_leakage_is_searched_once_per_content(
    folder: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copy_envelope(folder, Part("train", "sub-02", "a"), Part("test", "sub-10", "b"))
    dataset = SplitFolder(path=str(folder), accept_leakage="known")
    first = open_corpus(dataset, paths).notices
    monkeypatch.setattr(stimuli, "find_leaks", None)
    assert open_corpus(dataset, paths).notices == first
    (memory,) = (paths.cache / "leakage").iterdir()
    memory.write_text(json.dumps({"version": 0, "leaks": []}), encoding="utf-8")
    with pytest.raises(TypeError):  # an older search does not count, so it is made again
        open_corpus(dataset, paths)


def test_a_stimulus_heard_in_several_recordings_is_told(folder: Path, paths: Paths) -> None:
    for split in ("train", "val"):
        shutil.copy(
            folder / Part(split, "sub-02", "a").file_name("envelope"),
            folder / Part(split, "sub-10", "b").file_name("envelope"),
        )
    told = summary(SplitFolder(path=str(folder)), paths)
    assert told.leaked_segments == 0
    assert [(shared.split, shared.recordings) for shared in told.shared_stimuli] == [
        ("train", ("sub-02/a", "sub-10/b")),
        ("val", ("sub-02/a", "sub-10/b")),
    ]
    assert told.notices == (
        "the same stimulus stands in several recordings (train: 2 recordings of 1 stimulus; "
        "val: 2 recordings of 1 stimulus): results say nothing about new stimuli",
    )


def test_summary_counts(folder: Path, paths: Paths) -> None:
    told = summary(SplitFolder(path=str(folder)), paths)
    assert (told.n_subjects, told.n_recordings, told.simulated) == (2, 4, False)
    assert told.minutes == pytest.approx(4 * 2560 / 64 / 60)


@pytest.mark.real_data
def test_real_recordings_cut_in_time_share_a_stimulus_and_leak_nothing(
    dtu_subset: Path, paths: Paths
) -> None:
    dataset = SplitFolder(path=str(dtu_subset))
    corpus = open_corpus(dataset, paths)
    assert len(corpus.subjects) == 8 and len(corpus.train) == 24 and corpus.n_chans == 64
    assert summary(dataset, paths).leaked_segments == 0
    assert "train: 24 recordings of 1 stimulus" in corpus.notices[0]


@pytest.mark.real_data
def test_real_recordings_split_by_recording_leak(dtu_subset: Path, paths: Paths, tmp_path: Path) -> None:
    # Every recording has the same stimulus: giving one of them to validation and one to test replays it.
    for index, split in enumerate(("train", "val", "test")):
        for file in dtu_subset.glob(f"train_-_sub-001_-_rep0{index}*"):
            shutil.copy(file, tmp_path / file.name.replace("train", split))
    with pytest.raises(LeakageError) as caught:
        open_corpus(SplitFolder(path=str(tmp_path)), paths)
    leak = str(caught.value.problems[0])
    assert (
        "test_-_sub-001_-_rep02_-_envelope.npy: 30.0 s from 0.0 s, and in 1 other file with the same" in leak
    )
