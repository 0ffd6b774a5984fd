from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ablab.data.raw import RawRecording, by_pattern, by_table, load
from ablab.errors import DataError


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def _raw(file: Path) -> RawRecording:
    return RawRecording(file, file.stem.removesuffix("_eeg"), "s", "r", None)


def test_subject_and_recording_come_from_the_pattern(tmp_path: Path) -> None:
    folder = _touch(
        tmp_path / "raw", "sub-01_story_2.npz", "sub-02_x_eeg.npy", "sub-02_x_envelope.npy", "notes.txt"
    )
    found = by_pattern(folder, "{subject}_{recording}")
    assert [(raw.subject, raw.recording, raw.file.name) for raw in found] == [
        ("sub-01", "story_2", "sub-01_story_2.npz"),
        ("sub-02", "x", "sub-02_x_eeg.npy"),
    ]


def test_a_pattern_may_name_the_stimulus_and_literal_text(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "raw", "P3.run1.ear(left).npz")
    (raw,) = by_pattern(folder, "{subject}.{recording}.ear({stimulus})")
    assert (raw.subject, raw.recording, raw.stimulus) == ("P3", "run1", "left")


@pytest.mark.parametrize(
    "pattern", ["{subject}", "{subject}_{subject}_{recording}", "{subject}_{recording}_{day}", "x"]
)
def test_a_pattern_must_name_subject_and_recording_once(tmp_path: Path, pattern: str) -> None:
    folder = _touch(tmp_path / "raw", "a_b.npz")
    with pytest.raises(DataError, match=r"must hold \{subject\} and \{recording\} once each"):
        by_pattern(folder, pattern)


def test_names_outside_the_pattern_are_all_named(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "raw", "a_b.npz", "odd.npz", "queer.npz")
    with pytest.raises(DataError) as caught:
        by_pattern(folder, "{subject}_{recording}")
    assert [Path(problem.source).name for problem in caught.value.problems] == ["odd.npz", "queer.npz"]
    assert "give another --pattern, or a --table" in str(caught.value)


def test_two_files_of_one_recording_are_refused(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "raw", "s_1_a.npz", "s_1_b.npz")
    table = tmp_path / "t.csv"
    table.write_text("file,subject,recording\ns_1_a.npz,s,1\ns_1_b.npz,s,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"subject 's', recording '1' is s_1_a\.npz already"):
        by_table(folder, table)


def test_a_table_gives_subject_recording_and_stimulus(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "raw", "x.npz", "y_eeg.npy", "y_envelope.npy")
    table = tmp_path / "t.csv"
    table.write_text(
        "file, subject, recording, stimulus\nx.npz, s1, r1, story\ny, s2, r1, \n", encoding="utf-8-sig"
    )
    found = by_table(folder, table)
    assert [(raw.file.name, raw.subject, raw.recording, raw.stimulus) for raw in found] == [
        ("x.npz", "s1", "r1", "story"),
        ("y_eeg.npy", "s2", "r1", None),
    ]


def test_faults_of_a_table_carry_their_line(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "raw", "story1.npz")
    table = tmp_path / "t.csv"
    table.write_text("file,subject,recording\nstory7.npz,s,1\nstory1.npz,,2\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        by_table(folder, table)
    first, second = map(str, caught.value.problems)
    assert first == f"{table}:2: file: 'story7.npz' is not in {folder} (did you mean 'story1'?)"
    assert second == f"{table}:3: subject or recording is empty"
    table.write_text("name,subject\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.csv:1: lacks the columns file, recording"):
        by_table(folder, table)
    with pytest.raises(DataError, match=r"missing\.csv: there is no such file"):
        by_table(folder, tmp_path / "missing.csv")
    table.write_bytes(b"file,subject,recording\n\xff,s,1\n")
    with pytest.raises(DataError, match=r"t\.csv: cannot be read as UTF-8 text"):
        by_table(folder, table)


@pytest.mark.parametrize("field", ["a_-_b", "a/b", ".a"])
def test_names_that_would_break_the_layout_are_refused(tmp_path: Path, field: str) -> None:
    folder = _touch(tmp_path / "raw", "x.npz")
    table = tmp_path / "t.csv"
    table.write_text(f"file,subject,recording\nx.npz,{field},1\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot stand in a file name of the split layout"):
        by_table(folder, table)


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither \.npz files nor <stem>_eeg\.npy files"):
        by_pattern(_touch(tmp_path / "raw"), "{subject}_{recording}")
    with pytest.raises(DataError, match="there is no such folder"):
        by_pattern(tmp_path / "none", "{subject}_{recording}")


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    eeg, envelope = np.random.default_rng(0).standard_normal((200, 3)), np.arange(200)
    np.savez(tmp_path / "s_r.npz", eeg=eeg, envelope=envelope)
    np.save(tmp_path / "s_r_eeg.npy", eeg)
    np.save(tmp_path / "s_r_envelope.npy", envelope[:, None])
    for file in (tmp_path / "s_r.npz", tmp_path / "s_r_eeg.npy"):
        signals = load(_raw(file), 64)
        np.testing.assert_array_equal(signals["eeg"], eeg)
        assert signals["envelope"].shape == (200, 1) and signals["envelope"].dtype == np.float64


@pytest.mark.parametrize("sfreq, n_times", [(128.0, 1280), (64.5, 645), (1000 / 3, 3333), (32, 320)])
def test_other_sampling_rates_are_resampled_to_64_hertz(tmp_path: Path, sfreq: float, n_times: int) -> None:
    seconds = np.arange(n_times) / sfreq
    wave = np.sin(2 * np.pi * 3 * seconds) + 2
    np.savez(tmp_path / "s_r.npz", eeg=np.stack([wave, wave], axis=1), envelope=wave)
    signals = load(_raw(tmp_path / "s_r.npz"), sfreq)
    assert len(signals["eeg"]) == len(signals["envelope"]) == pytest.approx(n_times / sfreq * 64, abs=1)
    expected = np.sin(2 * np.pi * 3 * np.arange(len(signals["eeg"])) / 64) + 2
    np.testing.assert_allclose(signals["eeg"][32:-32, 1], expected[32:-32], atol=0.02)


@pytest.mark.parametrize(
    "eeg, envelope, text",
    [
        (
            np.zeros((3, 100)),
            np.zeros(100),
            "eeg: shape (3, 100): time is the second axis; save the transpose",
        ),
        (np.zeros((100, 3)), np.zeros(99), "eeg has 100 samples and envelope 99; cut both"),
        (np.zeros(100), np.zeros(100), "eeg: shape (100,); it must be (n_times, n_chans)"),
        (np.zeros((100, 3)), np.zeros((100, 2)), "envelope: shape (100, 2); it must be (n_times,) or"),
        (np.full((100, 3), np.nan), np.zeros(100), "eeg: 300 values are NaN or infinite"),
        (np.zeros((100, 3), complex), np.zeros(100), "eeg: dtype is complex128; it must hold real numbers"),
    ],
)
def test_unusable_arrays_say_why(tmp_path: Path, eeg: np.ndarray, envelope: np.ndarray, text: str) -> None:
    np.savez(tmp_path / "s_r.npz", eeg=eeg, envelope=envelope)
    with pytest.raises(DataError) as caught:
        load(_raw(tmp_path / "s_r.npz"), 64)
    assert text in str(caught.value) and "s_r.npz" in str(caught.value)


def test_missing_arrays_and_partners_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "s_r.npz", EEG=np.zeros((10, 2)))
    with pytest.raises(
        DataError, match=r"holds no array '.*'; save it with np\.savez\(file, eeg=\.\.\., envelope"
    ):
        load(_raw(tmp_path / "s_r.npz"), 64)
    np.save(tmp_path / "a_b_eeg.npy", np.zeros((10, 2)))
    with pytest.raises(DataError, match=r"its partner a_b_envelope\.npy is missing"):
        load(_raw(tmp_path / "a_b_eeg.npy"), 64)
    np.savez(tmp_path / "p_r.npz", eeg=np.array([{}], dtype=object), envelope=np.zeros(1))
    with pytest.raises(DataError, match="cannot be read"):
        load(_raw(tmp_path / "p_r.npz"), 64)
