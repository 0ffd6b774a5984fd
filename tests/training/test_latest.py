from __future__ import annotations

import logging
import math

import pytest
import torch

from ablab.training.latest import Latest
from ablab.training.observer import Observer


def test_only_finite_metrics_are_passed_on(recorder: Observer) -> None:
    latest = Latest(recorder)
    latest.metrics(3, {"a": 1.0, "b": math.nan, "c": math.inf})
    latest.metrics(4, {"b": -math.inf})
    latest.metrics(5, {"a": 2.0})
    assert recorder.curves == {"a": [(3, 1.0), (5, 2.0)]}
    assert latest.values == {"a": 2.0}


def test_histograms_are_passed_on(recorder: Observer) -> None:
    Latest(recorder).histograms(1, {"Weight/x": torch.zeros(2)})
    assert recorder.drawn == ["Weight/x"]


def test_warnings_are_logged_as_well(recorder: Observer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="ablab"):
        Latest(recorder).warning("look here")
    assert recorder.warnings == ["look here"]
    assert caplog.messages == ["look here"]
