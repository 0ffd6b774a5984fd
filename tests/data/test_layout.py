from __future__ import annotations

from pathlib import Path

import pytest

from ablab.data.layout import Part, list_folder


def _reasons(folder: Path, subjects: tuple[str, ...] | None = None) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in list_folder(folder, subjects).problems]


def test_a_clean_folder_lists_every_part_sorted(folder: Path) -> None:
    listing = list_folder(folder)
    assert listing.problems == () and listing.notices == ()
    assert listing.parts[0] == Part("test", "sub-02", "a") and len(listing.parts) == 12
    assert len(listing.file_names) == 24


def test_missing_folder_and_empty_folder_say_what_to_do(tmp_path: Path) -> None:
    (missing,) = list_folder(tmp_path / "nowhere").problems
    assert "there is no such folder; set dataset.path" in missing.reason
    (empty,) = list_folder(tmp_path).problems
    assert empty.reason.startswith(
        "holds no .npy file; expected <split>_-_<subject>_-_<recording>_-_<feature>.npy"
    )
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in list_folder(tmp_path / "file").problems[0].reason


@pytest.mark.parametrize("present, absent", [("eeg", "envelope"), ("envelope", "eeg")])
def test_missing_partner_is_named(folder: Path, present: str, absent: str) -> None:
    part = Part("train", "sub-02", "a")
    (folder / part.file_name(absent)).unlink()
    assert _reasons(folder) == [
        f"{part.file_name(absent)}: missing, although {part.file_name(present)} exists; "
        "add it or remove its partner"
    ]


def test_names_that_do_not_fit_are_named_with_the_nearest_split(folder: Path) -> None:
    (folder / "vall_-_sub-02_-_a_-_eeg.npy").touch()
    (folder / "notes.npy").touch()
    (folder / "train_-_sub_-_02_-_a_-_eeg.npy").touch()
    (folder / "README.md").touch()
    (folder / ".hidden.npy").touch()
    faults = _reasons(folder)
    assert (
        "vall_-_sub-02_-_a_-_eeg.npy: unknown split 'vall' (did you mean 'val'?); splits are train, val, test"
        in faults
    )
    assert sum("the name does not read" in fault for fault in faults) == 2 and len(faults) == 3


def test_other_features_are_left_alone_with_a_notice(folder: Path) -> None:
    (folder / "train_-_sub-02_-_a_-_mel.npy").touch()
    listing = list_folder(folder)
    assert listing.problems == () and listing.notices == ("files with the feature 'mel' are not read (1)",)


def test_absent_subject_is_named_with_the_nearest(folder: Path) -> None:
    assert _reasons(folder, ("sub-02", "sub-01")) == [
        "dataset: subjects: 'sub-01' is not in the folder (did you mean 'sub-10'?); it holds sub-02, sub-10"
    ]


def test_split_without_a_file(folder: Path) -> None:
    for file in folder.glob("val_*"):
        file.unlink()
    assert any("no file of the split 'val'" in fault for fault in _reasons(folder))


def test_subject_without_training_data_is_unseen(folder: Path) -> None:
    for file in folder.glob("train_-_sub-10_*"):
        file.unlink()
    found = list_folder(folder)
    assert found.problems == ()
    assert found.notices == (
        "unseen subject: sub-10 has no training data; decoded with the mean subject embedding, "
        "and reported apart from the others",
    )
    assert list_folder(folder, ("sub-02",)).notices == ()


def test_a_split_of_unseen_subjects_alone_is_refused(folder: Path) -> None:
    for file in (*folder.glob("train_-_sub-10_*"), *folder.glob("test_-_sub-02_*")):
        file.unlink()
    (fault,) = _reasons(folder)
    assert "no subject of the split 'test' has training data" in fault
    assert fault.endswith("add test files of sub-02")


def test_subject_without_validation_is_refused_by_name(folder: Path) -> None:
    for file in folder.glob("val_-_sub-10_*"):
        file.unlink()
    (fault,) = _reasons(folder)
    assert "sub-10 have no val file" in fault
