from __future__ import annotations

import pytest

from ablab.baselines import backward
from ablab.baselines.cache import floor
from ablab.paths import Paths
from ablab.spec.experiment import Evaluation, Simulated

DATASET = Simulated(n_subjects=1, minutes=1.0, n_chans=4)


def test_a_result_is_computed_on_request_and_then_kept(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert floor(DATASET, Evaluation(), paths, compute=False) is None
    first = floor(DATASET, Evaluation(), paths, compute=True)
    assert first is not None and set(first.per_subject) == {"sim-001"}
    monkeypatch.setattr(backward, "run", None)
    assert floor(DATASET, Evaluation(), paths, compute=False) == first
    assert floor(DATASET, Evaluation(), paths, compute=True) == first


def test_what_changes_the_number_changes_the_key(paths: Paths) -> None:
    floor(DATASET, Evaluation(), paths, compute=True)
    for dataset, evaluation in (
        (DATASET.model_copy(update={"seed": 1}), Evaluation()),
        (DATASET.model_copy(update={"train_fraction": 0.5}), Evaluation()),
        (DATASET, Evaluation(segment_seconds=5.0)),
    ):
        assert floor(dataset, evaluation, paths, compute=False) is None
    shuffled = DATASET.model_copy(update={"shuffle_eeg": 0})
    assert floor(shuffled, Evaluation(), paths, compute=False) is None
    assert floor(DATASET, Evaluation(), paths, compute=False, scope="pooled") is None
    same = DATASET.model_copy(update={"window_seconds": 3.0, "windows_per_recording": 2})
    assert floor(same, Evaluation(), paths, compute=False) is not None


def test_another_version_of_the_baseline_does_not_count(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor(DATASET, Evaluation(), paths, compute=True)
    monkeypatch.setattr(backward, "VERSION", backward.VERSION + 1)
    assert floor(DATASET, Evaluation(), paths, compute=False) is None
