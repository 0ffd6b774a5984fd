"""The best weights so far, on disk: whole or not at all, and read without running any code from the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ablab.training.whole_file import whole_file

FORMAT = 1
"""Raised when the layout of the file changes."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What must be known to build the decoder again and to say where its weights come from."""

    key: str
    """The trial's key."""
    epoch: int
    step: int
    validation_pearson: float
    experiment: str
    """The resolved spec as JSON; nothing is left to the defaults of a later day."""
    n_chans: int
    subjects: tuple[str, ...]
    """Subject of each column of the embedding."""
    seed: int | None = None
    """The trial's seed, from which the first weights can be drawn again; None in files of older versions."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights and facts, as read back."""

    facts: Facts
    weights: Mapping[str, Tensor]


def save(path: Path, facts: Facts, weights: Mapping[str, Tensor]) -> None:
    """Write the file; a process killed meanwhile leaves the earlier one whole."""
    content = {
        "format": FORMAT,
        **asdict(facts),
        "subjects": list(facts.subjects),
        "weights": {name: tensor.detach().cpu() for name, tensor in weights.items()},
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


def load(path: Path) -> Checkpoint:
    """Read a file that `save` wrote; only tensors and plain values are accepted from it."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    found = content.pop("format", None)
    if found != FORMAT:
        raise ValueError(f"{path}: checkpoint format {found!r} is not {FORMAT}, the one this version reads")
    weights = content.pop("weights")
    return Checkpoint(Facts(**{**content, "subjects": tuple(content["subjects"])}), weights)
