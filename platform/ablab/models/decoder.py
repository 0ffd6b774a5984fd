"""What every decoder offers, the built-in one and a plug-in's: EEG and a subject in, the envelope out.

Training, evaluation and diagnostics know a decoder by this class alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from ablab.models.fusion import Gate

STACK = "layer_stack"
"""Name of the list of blocks, where a decoder has one; each block is a layer group of its own."""

UNSEEN = -1
"""Stands for any subject without training data, in evaluation only."""

HEAD = "head"
"""Name of the layer that gives the output, where a decoder names it so."""


class Decoder(nn.Module):
    """Base of all decoders. A subclass writes ``__init__`` and ``forward``; the rest has a sound default.

    Layer groups are read off the module tree, so the names of its direct children are what reports show. A
    list of blocks named ``layer_stack`` makes its first block the front group, and lets the diagnostics
    bypass its blocks; a child named ``head`` is the head.
    """

    is_replayable: ClassVar[bool] = False
    """Whether a step on a GPU may be recorded once and replayed, in which no Python runs: True where the
    forward pass in training does the same for every batch of one size. It looks at no value on the device
    (``.item()``, ``if`` on a tensor), draws no random number on the host, counts nothing, and but for
    ``gate`` leaves nothing behind that is read later."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Gate | None = None

    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        """(batch, n_times, n_chans) and (batch,) int64 -> (batch, n_times, 1).

        subject: index below the number of subjects that the decoder was built for; in evaluation also
        `UNSEEN`, for which a decoder answers as for nobody in particular.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward pass")

    def compiled_parts(self) -> tuple[nn.Module, ...]:
        """The modules that ``training.compile`` compiles, one by one: the decoder as a whole.

        Parts that share their code and differ only in their weights are compiled once.
        """
        return (self,)

    def layer_groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> its parameters' names, in forward order; every parameter is in exactly one group.

        Groups are the direct children of the module tree, but for a list of modules, whose members are one
        group each: front_end, se, subject, layer_stack.0, ..., gate, head. Those without parameters are
        absent; parameters of the decoder itself are the group ``own``.
        """
        groups: dict[str, list[str]] = {}
        for name, _ in self.named_parameters():
            groups.setdefault(self._group_of(name), []).append(name)
        return {group: tuple(groups[group]) for group in (*self._group_names(), "own") if group in groups}

    def front_group(self) -> str:
        """The group whose learning the v2 improvements are about: the first block, else the first group."""
        groups = self.layer_groups()
        return f"{STACK}.0" if f"{STACK}.0" in groups else next(iter(groups))

    def head_group(self) -> str:
        """The group that gives the output: ``head``, else the last group."""
        groups = self.layer_groups()
        return HEAD if HEAD in groups else next(reversed(groups))

    def scaled_groups(self) -> frozenset[str]:
        """Groups whose whole gradient passes through the gradient scale; none where there is no scale."""
        return frozenset()

    def zero_gradient_parameters(self) -> frozenset[str]:
        """Parameters whose true gradient is zero, so that only rounding errors move them."""
        return frozenset()

    def _group_of(self, parameter: str) -> str:
        child, _, inner = parameter.partition(".")
        if not inner:
            return "own"
        is_list = isinstance(self._modules[child], nn.ModuleList)
        return f"{child}.{inner.partition('.')[0]}" if is_list else child

    def _group_names(self) -> Iterator[str]:
        for name, module in self.named_children():
            if isinstance(module, nn.ModuleList):
                yield from (f"{name}.{index}" for index, _ in module.named_children())
            else:
                yield name
