"""Predictions made again from a checkpoint: the same bits, into files that are never written over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tiny

from ablab.data.simulate import write
from ablab.errors import InputError, NotFoundError
from ablab.orchestration.experiment import run_experiment
from ablab.orchestration.predictions import Exported, export_predictions
from ablab.paths import Paths
from ablab.spec.experiment import Simulated
from ablab.spec.load import load_experiment
from ablab.spec.trial import Cell, Trial
from ablab.tracking.memory import MemoryStore

UNSEEN = "sim-003"


@dataclass(frozen=True)
class Trained:
    """A finished run on a split folder, one of whose three subjects has no training data."""

    paths: Paths
    store: MemoryStore
    data: Path
    run_id: str
    key: str

    def stored(self) -> dict[str, np.ndarray]:
        return dict(np.load(self.store.artifact(self.run_id, "predictions.npz")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    data = folder / "split"
    write(data, Simulated(n_subjects=3, minutes=1.0, n_chans=4))
    for file in data.glob(f"train_-_{UNSEEN}_*"):
        file.unlink()
    tiny.write(folder)
    keys = ("dataset.kind=split_folder", f"dataset.path={data}", "dataset.window_seconds=2")
    paths, store = Paths(folder / "mlruns"), MemoryStore()
    loaded = load_experiment(folder / "tiny.yaml", keys)
    assert run_experiment(loaded, seed=0, paths=paths, store=store, device="cpu").exit_code == 0
    (state,) = store.states("experiments")
    return Trained(paths, store, data, state.run_id, state.key)


@pytest.fixture
def export(trained: Trained) -> Callable[..., Exported]:
    def call(out: Path, run: str = trained.key[:6], **options: object) -> Exported:
        return export_predictions(
            run,
            out,
            paths=trained.paths,
            store=trained.store,
            device="cpu",
            **options,  # type: ignore[arg-type]
        )

    return call


def test_the_test_split_has_the_bits_of_the_run(
    trained: Trained, export: Callable[..., Exported], tmp_path: Path
) -> None:
    done = export(tmp_path / "deep" / "out.npz")
    kept, stored = dict(np.load(tmp_path / "deep" / "out.npz")), trained.stored()
    assert set(kept) == set(stored)
    for name, values in stored.items():
        assert values.dtype == kept[name].dtype
        assert values.tobytes() == kept[name].tobytes(), name
    assert kept["subject"].tolist() == ["sim-001", "sim-002", UNSEEN]
    (record,) = trained.store.records("experiments")
    assert done.scores.mean == record.metrics["test/pearson"]
    assert done.scores.mean_unseen == record.metrics["test/pearson_unseen"]
    assert done.notices == (f"decoded with the mean subject embedding, for want of training data: {UNSEEN}",)


@pytest.mark.parametrize(("split", "name", "count"), [("validation", "val", 3), ("train", "train", 2)])
def test_other_splits(
    trained: Trained, export: Callable[..., Exported], tmp_path: Path, split: str, name: str, count: int
) -> None:
    done = export(tmp_path / "out.npz", split=split)
    assert done.n_recordings == count
    kept = np.load(tmp_path / "out.npz")
    envelope = np.load(trained.data / f"{name}_-_sim-001_-_rec00_-_envelope.npy")[:, 0]
    assert np.array_equal(kept["target_0"], envelope)
    assert kept["prediction_0"].shape == envelope.shape


def test_a_folder_holds_one_file_per_recording(
    trained: Trained, export: Callable[..., Exported], tmp_path: Path
) -> None:
    export(tmp_path / "out", run=trained.run_id)
    stored = trained.stored()
    for number, subject in enumerate(stored["subject"]):
        for feature, name in (("prediction", "prediction"), ("envelope", "target")):
            values = np.load(tmp_path / "out" / f"test_-_{subject}_-_rec00_-_{feature}.npy")
            assert np.array_equal(values, stored[f"{name}_{number}"])
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_nothing_is_written_over_unasked(export: Callable[..., Exported], tmp_path: Path) -> None:
    for out in (tmp_path / "out.npz", tmp_path / "out"):
        export(out)
        with pytest.raises(InputError, match="exists already; --force replaces it"):
            export(out)
        export(out, force=True, split="train")
    assert len(list((tmp_path / "out").iterdir())) == 4
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes.txt, which is no prediction; nothing was replaced"):
        export(tmp_path / "out", force=True)
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(InputError, match=r"mine.csv: is a file; name a file that ends in .npz"):
        export(tmp_path / "mine.csv", force=True)
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.csv", "out", "out.npz"]


def test_data_that_moved_and_data_that_are_others(
    trained: Trained, export: Callable[..., Exported], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in trained.data.iterdir():
        (moved / file.name).symlink_to(file)
    done = export(tmp_path / "out.npz", overrides=[f"dataset.path={moved}", "dataset.subjects=null"])
    assert not any("are not those that the run was trained" in text for text in done.notices)
    fewer = export(tmp_path / "fewer.npz", overrides=["dataset.subjects=[sim-001]"])
    assert "are not those that the run was trained and scored on" in fewer.notices[0]
    assert np.load(tmp_path / "fewer.npz")["subject"].tolist() == ["sim-001"]


def test_what_cannot_be_decoded_is_refused(
    trained: Trained, export: Callable[..., Exported], tmp_path: Path
) -> None:
    out = tmp_path / "out.npz"
    with pytest.raises(InputError, match=r"--set: model.d_model: the decoder is the run's own; only keys of"):
        export(out, overrides=["model.d_model=4"])
    with pytest.raises(NotFoundError, match="ffffff: no such run"):
        export(out, run="ffffff")
    wide = tmp_path / "wide"
    write(wide, Simulated(n_subjects=1, minutes=1.0, n_chans=5))
    with pytest.raises(InputError, match="the recordings have 5 channels and the decoder takes 4"):
        export(out, overrides=[f"dataset.path={wide}"])
    (record,) = trained.store.records("experiments")
    cell = Cell("open", "open", {}, record.experiment)
    trained.store.open_run(Trial("e" * 32, "other", cell, 0, "d" * 32))
    with pytest.raises(NotFoundError, match="open seed 0 is running and has no checkpoint"):
        export(out, run="eeeeee")
    assert not out.exists()
