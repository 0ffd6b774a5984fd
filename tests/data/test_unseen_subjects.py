"""Subjects without training data in a split folder: opened, told, and no column of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablab.data import split_folder
from ablab.errors import DataError
from ablab.paths import Paths
from ablab.spec.experiment import SplitFolder


@pytest.fixture
def dataset(folder: Path) -> SplitFolder:
    """Of two subjects, sub-10 has no training data."""
    for file in folder.glob("train_-_sub-10_*"):
        file.unlink()
    return SplitFolder(path=str(folder), window_seconds=5.0)


def test_an_unseen_subject_is_opened_and_told(dataset: SplitFolder, paths: Paths) -> None:
    corpus = split_folder.open_corpus(dataset, paths)
    assert corpus.subjects == ("sub-02",)
    assert {part.subject for part in corpus.train} == {"sub-02"}
    assert {part.subject for part in corpus.validation} == {"sub-02", "sub-10"}
    assert {part.subject for part in corpus.test} == {"sub-02", "sub-10"}
    assert any(notice.startswith("unseen subject: sub-10 has no training data") for notice in corpus.notices)
    summary = split_folder.summary(dataset, paths)
    assert (summary.n_subjects, summary.n_unseen) == (2, 1)
    assert corpus.notices == summary.notices


def test_a_test_split_of_unseen_subjects_alone_is_refused(
    dataset: SplitFolder, folder: Path, paths: Paths
) -> None:
    for file in folder.glob("test_-_sub-02_*"):
        file.unlink()
    with pytest.raises(DataError, match="no subject of the split 'test' has training data"):
        split_folder.open_corpus(dataset, paths)
