from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.custom_scalar import layout_pb2

from ablab.tracking.tensorboard import TensorBoardObserver, scalar_tag


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


def test_all_of_a_step_is_one_event_of_each_kind(tmp_path: Path):
    observer = TensorBoardObserver(tmp_path)
    observer.metrics(3, {"gradient/norm": 2.0, "train/loss": 1.0, "train/nothing": float("nan")})
    observer.histograms(3, {"Weight/a": torch.ones(2), "Weight/b": torch.zeros(2)})
    observer.metrics(4, {"train/nothing": float("inf")})
    observer.histograms(4, {"Weight/a": torch.tensor([torch.nan])})
    observer.close()
    (file,) = tmp_path.iterdir()
    found = [event for event in LegacyEventFileLoader(str(file)).Load() if event.step]
    assert [[value.tag for value in event.summary.value] for event in found] == [
        ["Gradient/norm", "Train/loss"],
        ["Weight/a", "Weight/b"],
    ]


def test_the_page_of_custom_scalars_shows_the_guides_four_views(tmp_path: Path):
    observer = TensorBoardObserver(tmp_path)
    names = (
        "gradient/norm",
        "validation/pearson",
        "gradient/rms/layer_stack.0",
        "weights/drift/layer_stack.0",
    )
    observer.metrics(1, dict.fromkeys((*names, "gradient/rms/layer_stack.01", "gradient/rms/head"), 1.0))
    observer.close()
    events = _read(tmp_path)
    (layout,) = events.Tensors("custom_scalars__config__")
    found = layout_pb2.Layout.FromString(layout.tensor_proto.string_val[0])
    charts = found.category[0].chart
    assert [chart.title.partition(":")[0] for chart in charts] == [
        "Gradient/norm", "Validation/pearson", "Gradient/layer_stack.0", "Weight/layer_stack.0",
    ]  # fmt: skip
    scalars = events.Tags()["scalars"]
    for chart, name in zip(charts, names, strict=True):
        (pattern,) = chart.multiline.tag
        assert [tag for tag in scalars if re.search(pattern, tag)] == [scalar_tag(name)]


def test_of_a_large_tensor_a_sample_is_drawn_with_both_ends(tmp_path: Path):
    weights = torch.linspace(-1, 1, 100_003)
    weights[17], weights[50_001], weights[5] = -9.0, 7.0, torch.nan
    observer = TensorBoardObserver(tmp_path)
    observer.histograms(1, {"Weight/a": weights})
    observer.close()
    (drawn,) = _read(tmp_path).Histograms("Weight/a")
    found = drawn.histogram_value
    assert (found.min, found.max) == (-9, 7)
    assert 10_000 < found.num <= 2**14 + 2
    assert abs(found.sum / found.num) < 0.01


@pytest.mark.parametrize(
    "values",
    [[-1.0, 0.5, 0.5, 2.0], [0.0] * 3, [1.0, 1.0 + 2**-23], [9e18] * 2, [1e-38, -1e-38], [-9e18, 1e-30]],
)
def test_every_value_is_in_a_bin(tmp_path: Path, values: list[float]):
    observer = TensorBoardObserver(tmp_path)
    observer.histograms(1, {"Weight/a": torch.tensor(values), "Weight/b": torch.arange(3)})
    observer.close()
    events = _read(tmp_path)
    found = events.Histograms("Weight/a")[0].histogram_value
    assert sum(found.bucket) == found.num == len(values)
    assert found.bucket_limit == sorted(set(found.bucket_limit))
    assert found.bucket_limit[0] <= found.min and found.max <= found.bucket_limit[-1]
    if min(values) == max(values):
        assert found.bucket_limit[-1] - found.bucket_limit[0] >= 1
    other = events.Histograms("Weight/b")[0].histogram_value
    assert (other.min, other.max, other.num, other.sum, other.sum_squares) == (0, 2, 3, 3, 5)


def test_values_that_are_not_finite_are_left_out(tmp_path: Path):
    observer = TensorBoardObserver(tmp_path)
    observer.metrics(1, {"gradient/norm": float("nan"), "train/loss": 1.0})
    nan, half = torch.full((3,), torch.nan), torch.tensor([1.0, torch.inf])
    observer.histograms(1, {"Gradient/a": nan, "Gradient/b": half, "Gradient/c": torch.empty(0)})
    observer.histograms(1, {"Gradient/d": torch.ones(4, dtype=torch.bfloat16)})
    observer.histograms(1, {"Weight/huge": torch.full((3,), 1e30), "Weight/large": torch.full((3,), 9e18)})
    observer.histograms(1, {"Gradient/diverged": torch.tensor([1e30, -1e25])})
    observer.close()
    events = _read(tmp_path)
    assert events.Tags()["scalars"] == ["Train/loss"]
    drawn = {"Gradient/b", "Gradient/d", "Weight/huge", "Weight/large", "Gradient/diverged"}
    assert set(events.Tags()["histograms"]) == drawn
    assert events.Histograms("Gradient/b")[0].histogram_value.num == 1


def test_a_trial_that_begins_again_hides_what_it_wrote_before(tmp_path: Path):
    for values in ((1.0, 2.0, 3.0), (4.0,)):
        observer = TensorBoardObserver(tmp_path)
        for step, value in enumerate(values):
            observer.metrics(step, {"train/loss": value})
        observer.close()
    assert [point.value for point in _read(tmp_path).Scalars("Train/loss")] == [4.0]


def test_a_trial_that_goes_on_keeps_what_it_wrote_up_to_there(tmp_path: Path):
    killed = TensorBoardObserver(tmp_path)
    for step in (1, 2, 3, 4):
        killed.metrics(step, {"train/loss": float(step)})
    killed.flush()  # and no close
    observer = TensorBoardObserver(tmp_path, resumed_at=2)
    for step in (3, 4, 5):
        observer.metrics(step, {"train/loss": 10.0 * step})
    observer.close()
    points = [(point.step, point.value) for point in _read(tmp_path).Scalars("Train/loss")]
    assert points == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0), (5, 50.0)]
    killed.close()


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
