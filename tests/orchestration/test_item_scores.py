"""Scores per recording from the predictions that runs keep, on a folder that is split by stimulus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from ablab.data.corpus import Recording
from ablab.data.layout import Part
from ablab.designs.expand import expand
from ablab.orchestration.declared import declare
from ablab.orchestration.item_scores import item_scores
from ablab.orchestration.study_comparison import study_findings
from ablab.paths import Paths
from ablab.scoring.aggregate import subject_means
from ablab.scoring.segments import segment_pearson
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.record import SubjectScore
from ablab.tracking.memory import MemoryStore
from ablab.training.artifacts import write_predictions

N, SUBJECTS, STIMULI = 64 * 8, ("s1", "s2", "s3"), 5


@pytest.fixture
def by_stimulus(tmp_path: Path) -> dict[tuple[str, str], np.ndarray]:
    """A folder with five stimuli for testing; recording -> its envelope, scaled as each subject is."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    envelopes = {f"rec{n}": rng.normal(size=(N, 1)).astype(np.float32) for n in range(STIMULI + 2)}
    splits = ["test"] * STIMULI + ["train", "val"]
    for i, subject in enumerate(SUBJECTS):
        for split, (name, envelope) in zip(splits, envelopes.items(), strict=True):
            part = Part(split, subject, name)
            np.save(folder / part.file_name("envelope"), envelope * (1 + i) - i)
            np.save(folder / part.file_name("eeg"), rng.normal(size=(N, 4)).astype(np.float32))
    tested = list(envelopes)[:STIMULI]
    return {(s, name): envelopes[name] * (1 + i) - i for i, s in enumerate(SUBJECTS) for name in tested}


@pytest.fixture
def grid(tmp_path: Path, paths: Paths) -> LoadedGrid:
    tiny.write(tmp_path, seeds=(0, 1, 2, 3, 4))
    text = (tmp_path / "tiny.yaml").read_text().splitlines()
    text = [
        f"dataset: {{kind: split_folder, path: '{tmp_path / 'data'}', window_seconds: 2}}"
        if line.startswith("dataset")
        else line
        for line in text
    ]
    (tmp_path / "tiny.yaml").write_text("\n".join(text))
    loaded = load_grid(tmp_path / "grid.yaml")
    declare(loaded, paths)
    return loaded


def finish(
    loaded: LoadedGrid, store: MemoryStore, truth: dict[tuple[str, str], np.ndarray], folder: Path
) -> dict[str, float]:
    """Runs with predictions of known quality; run id -> test r as training computes it."""
    rng = np.random.default_rng(1)
    means = {}
    for trial in expand(loaded.grid, loaded.bases, "d" * 32):
        noise = 2.0 if trial.cell.experiment.improvements.mlp_head else 4.0
        recordings = [Recording(s, name, np.zeros((N, 4)), e) for (s, name), e in truth.items()]
        predictions = [(r.envelope[:, 0] + noise * rng.normal(size=N)).astype(np.float32) for r in recordings]
        write_predictions(folder / "predictions.npz", recordings, predictions)
        r = [segment_pearson(p, r.envelope[:, 0], 128) for p, r in zip(predictions, recordings, strict=True)]
        scores = subject_means(r, [recording.subject for recording in recordings])
        writer = store.open_run(trial)
        writer.artifact(folder / "predictions.npz")
        subjects = [
            SubjectScore(name, 5, 20, 0.1, each.r, 0.0, 0.04) for name, each in scores.subjects.items()
        ]
        writer.finish({"test/pearson": scores.mean}, subjects)
        means[writer.run_id] = scores.mean
    return means


def test_recordings_are_scored_as_training_scores_them(
    by_stimulus: dict[tuple[str, str], np.ndarray], grid: LoadedGrid, tmp_path: Path, paths: Paths
) -> None:
    store = MemoryStore()
    means = finish(grid, store, by_stimulus, tmp_path)
    items = item_scores(store.records("tinygrid"), store)
    assert items.n_stimuli == STIMULI
    assert items.stimulus["s1", "rec2"] == items.stimulus["s3", "rec2"]
    for run_id, mean in means.items():
        assert np.mean(list(items.scores[run_id].values())) == pytest.approx(mean)
    found = study_findings("tinygrid", paths=paths, store=store, n_draws=100)
    line = found.sensitivity[-1]
    assert line.name == "crossed quasi-t over stimuli and seeds (by items)"
    assert line.estimate == pytest.approx(found.comparison.primary.effect.test.mean)
    assert dict(found.scope)["new stimuli"].startswith("yes")


def test_a_split_by_time_holds_no_stimulus_out(
    by_stimulus: dict[tuple[str, str], np.ndarray], grid: LoadedGrid, tmp_path: Path
) -> None:
    store = MemoryStore()
    finish(grid, store, by_stimulus, tmp_path)
    for feature in ("eeg", "envelope"):
        source = tmp_path / "data" / Part("test", "s1", "rec0").file_name(feature)
        source.with_name(Part("train", "s1", "rec0").file_name(feature)).write_bytes(source.read_bytes())
    found = item_scores(store.records("tinygrid"), store)
    assert found == "no analysis by items: the test stimuli were not held out whole"


def test_a_folder_or_predictions_that_are_gone_are_said(
    by_stimulus: dict[tuple[str, str], np.ndarray], grid: LoadedGrid, tmp_path: Path
) -> None:
    store = MemoryStore()
    for trial in expand(grid.grid, grid.bases, "d" * 32)[:1]:
        store.open_run(trial).finish({"test/pearson": 0.1}, [SubjectScore("s1", 1, 4, 0.1, 0.1, 0.0, 0.04)])
    assert "predictions.npz" in item_scores(store.records("tinygrid"), store)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert "no such folder" in item_scores(store.records("tinygrid"), store)
