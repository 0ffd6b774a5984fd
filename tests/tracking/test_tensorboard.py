from __future__ import annotations

from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ablab.tracking.tensorboard import TensorBoardObserver


def _read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    events.Reload()
    return events


def test_the_guides_tags_are_found(tmp_path: Path):
    observer = TensorBoardObserver(tmp_path)
    observer.begin({"device": "cpu", "model/parameters": 12})
    for step in (0, 10, 20):
        observer.metrics(
            step, {"gradient/norm": 2.0 + step, "validation/pearson": step / 100, "train/loss": 1.0}
        )
        observer.histograms(
            step,
            {
                "Gradient/layer_stack.0.attention.weight": torch.arange(6.0).reshape(2, 3) + step,
                "Weight/layer_stack.0.attention.weight": torch.ones(2, 3, requires_grad=True),
            },
        )
    observer.warning("look here")
    observer.close()

    events = _read(tmp_path)
    tags = events.Tags()
    assert {"Gradient/norm", "Validation/pearson", "Train/loss"} == set(tags["scalars"])
    assert [(point.step, point.value) for point in events.Scalars("Gradient/norm")] == [
        (0, 2),
        (10, 12),
        (20, 22),
    ]
    assert set(tags["histograms"]) == {
        "Gradient/layer_stack.0.attention.weight",
        "Weight/layer_stack.0.attention.weight",
    }
    last = events.Histograms("Gradient/layer_stack.0.attention.weight")[-1]
    assert (last.step, last.histogram_value.num, last.histogram_value.max) == (20, 6, 25)


def test_values_that_cannot_be_drawn_are_left_out(tmp_path: Path):
    observer = TensorBoardObserver(tmp_path)
    observer.metrics(1, {"gradient/norm": float("nan"), "train/loss": 1.0})
    nan, half = torch.full((3,), torch.nan), torch.tensor([1.0, torch.inf])
    observer.histograms(1, {"Gradient/a": nan, "Gradient/b": half, "Gradient/c": torch.empty(0)})
    observer.histograms(1, {"Gradient/d": torch.ones(4, dtype=torch.bfloat16)})
    observer.histograms(1, {"Gradient/diverged": torch.tensor([1e30, -1e25])})
    observer.close()
    events = _read(tmp_path)
    assert events.Tags()["scalars"] == ["Train/loss"]
    assert set(events.Tags()["histograms"]) == {"Gradient/b", "Gradient/d"}
    assert events.Histograms("Gradient/b")[0].histogram_value.num == 1


def test_a_trial_that_begins_again_hides_what_it_wrote_before(tmp_path: Path):
    for values in ((1.0, 2.0, 3.0), (4.0,)):
        observer = TensorBoardObserver(tmp_path)
        for step, value in enumerate(values):
            observer.metrics(step, {"train/loss": value})
        observer.close()
    assert [point.value for point in _read(tmp_path).Scalars("Train/loss")] == [4.0]


def test_nothing_is_created_before_the_first_value(tmp_path: Path):
    TensorBoardObserver(tmp_path / "events").close()
    assert not (tmp_path / "events").exists()


def test_weights_and_random_state_are_left_alone(tmp_path: Path):
    weight = torch.arange(6.0)
    before, state = weight.clone(), torch.get_rng_state()
    observer = TensorBoardObserver(tmp_path)
    observer.metrics(0, {"a": 1.0})
    observer.histograms(0, {"Weight/a": weight})
    observer.close()
    assert torch.equal(weight, before)
    assert torch.equal(torch.get_rng_state(), state)
