from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ablab.data import fingerprint
from ablab.data.check import check_folder
from ablab.data.layout import Part


def test_a_clean_folder_is_told_whole(folder: Path) -> None:
    report = check_folder(folder)
    assert (report.subjects, report.n_recordings, report.n_chans) == (("sub-02", "sub-10"), 4, 4)
    assert report.minutes == pytest.approx({"train": 4 / 3, "val": 2 / 3, "test": 2 / 3})
    assert report.problems == () and report.leaks == () and report.shared_stimuli == ()


def test_leakage_is_not_looked_for_in_a_folder_with_problems(folder: Path) -> None:
    np.save(folder / Part("val", "sub-02", "a").file_name("eeg"), np.zeros((640, 3), np.float32))
    report = check_folder(folder)
    assert report.leaks is None and len(report.problems) == 1


def test_a_missing_folder_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    report = check_folder(tmp_path / "nowhere")
    assert len(report.problems) == 1 and report.n_recordings == 0 and report.leaks is None


def test_the_cache_serves_both_checks_and_corpora(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check_folder(folder, cache=tmp_path / "cache")
    monkeypatch.setattr(fingerprint, "_read", None)
    assert check_folder(folder, cache=tmp_path / "cache") == first
