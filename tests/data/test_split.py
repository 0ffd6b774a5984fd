from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ablab.data import split
from ablab.data.check import check_folder
from ablab.data.layout import Part
from ablab.data.listener import speech_envelope
from ablab.data.raw import RawRecording, by_pattern
from ablab.data.split import assign_stimuli, split_recordings
from ablab.errors import DataError, LeakageError

SECONDS = 30


def _write_raw(
    folder: Path, subjects: tuple[str, ...] = ("s1", "s2"), stimuli: int = 5, *, shared: bool = False
) -> tuple[RawRecording, ...]:
    """Recordings ``<subject>_<run>_<story>``; ``shared``: everybody hears the same stories."""
    folder.mkdir()
    for number, subject in enumerate(subjects):
        for story in range(stimuli):
            seed = story if shared else 100 * number + story
            envelope = speech_envelope(SECONDS * 64, np.random.default_rng(seed))
            noise = np.random.default_rng(seed + 7).standard_normal((SECONDS * 64, 3))
            np.savez(folder / f"{subject}_run{story}_story{story}.npz", eeg=5 * noise + 40, envelope=envelope)
    return by_pattern(folder, "{subject}_{recording}_{stimulus}")


def test_by_time_cuts_and_z_scores_with_the_recordings_own_train_part(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=2)
    report = split_recordings(recordings, tmp_path / "out")
    assert report.problems == () and report.leaks == () and report.n_recordings == 4
    raw = np.load(recordings[0].file)["eeg"]
    train = raw[:1536]
    for name, cut in (("train", raw[:1536]), ("val", raw[1536:1728]), ("test", raw[1728:])):
        written = np.load(tmp_path / "out" / Part(name, "s1", "run0").file_name("eeg"))
        assert written.dtype == np.float32 and written.flags.c_contiguous
        np.testing.assert_allclose(written, (cut - train.mean(axis=0)) / train.std(axis=0), atol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def test_by_stimulus_gives_whole_stimuli_to_a_split_and_scales_per_subject(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", shared=True)
    report = split_recordings(recordings, tmp_path / "out", by="stimulus", seed=1)
    assert report.leaks == () and len(report.shared_stimuli) == 5
    splits = assign_stimuli(recordings, seed=1)
    trained = []
    for raw in recordings:
        part = Part(splits[str(raw.stimulus)], raw.subject, raw.recording)
        written = np.load(tmp_path / "out" / part.file_name("eeg"))
        assert len(written) == SECONDS * 64
        if part.split == "train" and raw.subject == "s2":
            trained.append(written)
    joined = np.concatenate(trained)
    np.testing.assert_allclose(joined.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(joined.std(axis=0), 1, atol=1e-4)


def test_stimuli_are_assigned_by_the_seed_to_all_three_splits(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=4, subjects=("s1",))
    assignments = [assign_stimuli(recordings, seed) for seed in range(8)]
    assert assignments[3] == assign_stimuli(recordings[::-1], 3)
    assert len({tuple(sorted(one.items())) for one in assignments}) > 1
    for assignment in assignments:
        assert sorted(assignment.values()) == ["test", "train", "train", "val"]
    many = [RawRecording(Path("x"), "x", "s", str(n), f"story{n}") for n in range(40)]
    counts = list(assign_stimuli(many, 0).values())
    assert (counts.count("train"), counts.count("val"), counts.count("test")) == (32, 4, 4)


def test_by_stimulus_needs_three_known_stimuli(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=2)
    with pytest.raises(DataError, match="2 stimuli cannot fill train, val and test; split by time instead"):
        split_recordings(recordings, tmp_path / "out", by="stimulus")
    nameless = by_pattern(tmp_path / "raw", "{subject}_{recording}")
    with pytest.raises(DataError, match="its stimulus is not known; give a --table"):
        split_recordings(nameless, tmp_path / "out", by="stimulus")
    assert not (tmp_path / "out").exists()


def test_a_shared_stimulus_cut_at_another_place_leaks_and_nothing_is_written(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", subjects=("s1", "s2"), stimuli=1, shared=True)
    # The second subject comes in a minute later: in train they hear what the first one hears in val.
    story = speech_envelope(200 * 64, np.random.default_rng(0))
    for raw, start in zip(recordings, (0, 60), strict=True):
        noise = np.random.default_rng(start).standard_normal((120 * 64, 3))
        np.savez(raw.file, eeg=noise, envelope=story[start * 64 : (start + 120) * 64])
    with pytest.raises(LeakageError, match=r"nothing was written: .*--by stimulus") as caught:
        split_recordings(recordings, tmp_path / "out")
    assert "/out/val_-_s1_-_run0_-_envelope.npy" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    report = split_recordings(recordings, tmp_path / "out", allow_leakage=True)
    assert report.leaks and check_folder(tmp_path / "out").leaks == report.leaks


def test_faults_of_all_recordings_come_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=3)
    for raw in recordings[:2]:
        np.savez(raw.file, eeg=np.full((640, 3), np.nan), envelope=np.zeros(640))
    for by in ("time", "stimulus"):
        with pytest.raises(DataError) as caught:
            split_recordings(recordings, tmp_path / "out", by=by)
        assert len(caught.value.problems) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_what_the_checks_find_is_refused_under_the_names_of_the_output(tmp_path: Path) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=1)
    arrays = dict(np.load(recordings[0].file))
    arrays["eeg"][:, 1] = 3.0
    np.savez(recordings[0].file, **arrays)
    with pytest.raises(
        DataError, match=r"/out/train_-_s1_-_run0_-_eeg\.npy: constant over the whole train part: channel 1"
    ):
        split_recordings(recordings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_replaced_only_when_asked_and_only_if_it_is_a_split_folder(
    tmp_path: Path,
) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=2)
    out = tmp_path / "out"
    split_recordings(recordings, out)
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(DataError, match="exists already; --force replaces it"):
        split_recordings(recordings, out)
    split_recordings(recordings[:1], out, force=True)
    after = sorted(path.name for path in out.iterdir())
    assert len(after) == 6 < len(before) and sorted(path.name for path in tmp_path.iterdir()) == [
        "out",
        "raw",
    ]
    (out / "thesis.docx").touch()
    with pytest.raises(DataError, match=r"holds thesis\.docx, which is no part of a split folder"):
        split_recordings(recordings, out, force=True)
    assert (out / "thesis.docx").exists()


def test_an_interruption_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = _write_raw(tmp_path / "raw", stimuli=2)
    out = tmp_path / "out"
    split_recordings(recordings, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(split, "check_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        split_recordings(recordings, out, force=True)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]
