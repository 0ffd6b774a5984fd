"""What a session and its quantities remember, as tensors and plain values that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablab.diagnostics.running_mean import RunningMeans

Plain = dict[str, Any]
"""Strings, numbers, None, dicts and tensors: what ``torch.load(weights_only=True)`` accepts."""


def remembered(quantity: object) -> Plain:
    """The public attributes of a quantity; arrays become tensors."""
    return {name: _plain(value) for name, value in vars(quantity).items() if not name.startswith("_")}


def recall(quantity: object, memory: Mapping[str, Any]) -> None:
    """Give a quantity of the same kind its attributes back."""
    for name, value in memory.items():
        now = vars(quantity)[name]
        if isinstance(now, RunningMeans):
            now.sums, now.counts = dict(value["sums"]), dict(value["counts"])
        elif isinstance(value, Tensor):
            setattr(quantity, name, value.numpy())
        else:
            setattr(quantity, name, dict(value) if isinstance(value, dict) else value)


def _plain(value: Any) -> Any:
    if isinstance(value, RunningMeans):
        return {"sums": dict(value.sums), "counts": dict(value.counts)}
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return dict(value) if isinstance(value, dict) else value
