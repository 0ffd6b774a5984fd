"""Where each layer group's parameters stand in the list that is measured. Knows no quantity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ablab.models.decoder import STACK, Decoder

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layout:
    """Index arrays into the decoder's parameters, in the order of ``named_parameters``."""

    names: tuple[str, ...]
    sizes: NDArray[np.float64]
    """Elements per parameter tensor."""
    groups: Mapping[str, Indices]
    """Layer group -> all its parameter tensors."""
    moving: Mapping[str, Indices]
    """Layer group -> its tensors without the biases whose true gradient is zero."""
    front: str
    """The group in the numerator of gradient ratios: the first block, or the front end without blocks."""
    head: str
    """The group in the denominator: the one that gives the output."""
    guide_front: Indices
    """All tensors of the first two blocks (of one, if there is no second)."""
    scaled: frozenset[str]
    """Groups whose whole gradient passes through the gradient scale."""
    gradient_scale: float

    def scale_of(self, group: str) -> float:
        """The known factor in the group's gradient."""
        return self.gradient_scale if group in self.scaled else 1.0


def layout_of(model: Decoder, gradient_scale: float) -> Layout:
    """Read the layout off the module tree."""
    parameters = dict(model.named_parameters())
    position = {name: index for index, name in enumerate(parameters)}
    zero_gradient = model.zero_gradient_parameters()

    def indices(names: tuple[str, ...]) -> Indices:
        return np.array([position[name] for name in names], dtype=np.intp)

    groups = model.layer_groups()
    moving = {
        group: tuple(name for name in names if name not in zero_gradient) for group, names in groups.items()
    }
    first_two = groups.get(f"{STACK}.0", ()) + groups.get(f"{STACK}.1", ())
    return Layout(
        names=tuple(parameters),
        sizes=np.array([parameter.numel() for parameter in parameters.values()], dtype=np.float64),
        groups={group: indices(names) for group, names in groups.items()},
        moving={group: indices(names) for group, names in moving.items()},
        front=model.front_group(),
        head=model.head_group(),
        guide_front=indices(first_two),
        scaled=model.scaled_groups(),
        gradient_scale=gradient_scale,
    )


def blocks_of(model: nn.Module) -> tuple[nn.Module, ...]:
    """The blocks of the stack, front to rear; none where the model has no stack."""
    return tuple(getattr(model, STACK, ()))
