"""Which learning rate a parameter has, and whether it is decayed: read off the module tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm

from ablab.models.attention import RelativeAttention
from ablab.models.decoder import HEAD, STACK, Decoder
from ablab.spec.experiment import LayerRates

Part = Literal["front", "rear", "head"]

_NORMS = (nn.LayerNorm, nn.GroupNorm, _BatchNorm)


@dataclass(frozen=True, slots=True, eq=False)
class ParameterGroup:
    """Parameters that are trained alike."""

    parameters: tuple[Parameter, ...]
    rate_factor: float = 1.0
    """On the learning rate of every step."""
    is_decayed: bool = True
    """Whether ``training.weight_decay`` reaches them."""


def parts(groups: Iterable[str], head: str = HEAD) -> dict[str, Part]:
    """Layer group -> its part of the decoder; ``groups`` in forward order, as `Decoder.layer_groups` has it.

    head: the head. front: whatever comes before the blocks, and the first half of the blocks; of an odd
    number the middle one too, so that the first block is always in front. rear: the other blocks, and
    whatever stands between them and the head (the gate). Without blocks all but the head is front.

    >>> list(parts(["front_end", "layer_stack.0", "layer_stack.1", "gate", "head"]).values())
    ['front', 'front', 'rear', 'rear', 'head']
    """
    names = list(groups)
    blocks = [name for name in names if name.startswith(f"{STACK}.")]
    in_front = set(blocks[: (len(blocks) + 1) // 2])
    found: dict[str, Part] = {}
    is_behind = False
    for name in names:
        if name in blocks:
            is_behind = True
            found[name] = "front" if name in in_front else "rear"
        elif name == head:
            found[name] = "head"
        else:
            found[name] = "rear" if is_behind else "front"
    return found


def undecayed(model: nn.Module) -> frozenset[str]:
    """Parameters that weight decay leaves alone: norms, biases, and tables of relative positions.

    Norms and biases set scale and offset, which decay would only pull away from where the data want them. A
    row of the relative table is reached only by windows longer than its distance: decay would wear away the
    others, which no gradient holds, and a longer window at the test would meet what is left.
    """
    names = set()
    for prefix, module in model.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            table = isinstance(module, RelativeAttention) and name == "relative"
            if isinstance(module, _NORMS) or name == "bias" or table:
                names.add(f"{prefix}.{name}" if prefix else name)
    return frozenset(names)


def parameter_groups(decoder: Decoder, rates: LayerRates, weight_decay: float) -> tuple[ParameterGroup, ...]:
    """All parameters, each in one group, split no further than rates and decay ask for."""
    groups = decoder.layer_groups()
    factors: dict[Part, float] = {"front": rates.front, "rear": rates.rear, "head": rates.head}
    factor = {
        name: factors[part] * (rates.stack if group.startswith(f"{STACK}.") else 1.0)
        for group, part in parts(groups, decoder.head_group()).items()
        for name in groups[group]
    }
    spared = undecayed(decoder) if weight_decay else frozenset()
    members: dict[tuple[float, bool], list[Parameter]] = {}
    for name, parameter in decoder.named_parameters():
        members.setdefault((factor[name], name not in spared), []).append(parameter)
    return tuple(
        ParameterGroup(tuple(parameters), rate_factor, is_decayed)
        for (rate_factor, is_decayed), parameters in members.items()
    )
