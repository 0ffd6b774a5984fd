"""Bypass drop: how much of a decoder's score a part carries, by replacing what it adds with its mean.

Receives the evaluation as a callable. Changes no weight and draws no random number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ablab.diagnostics.layout import blocks_of
from ablab.models.compiled import uncompiled
from ablab.models.decoder import STACK


def bypass_drops(
    model: nn.Module,
    score: float,
    *,
    see_training: Callable[[], None],
    evaluate: Callable[[], float],
    each_block: bool,
) -> dict[str, float]:
    """``bypass/layer_stack``, and with ``each_block`` also ``bypass/layer_stack.0`` ...: score lost.

    The stack's output is replaced by its mean over training windows and time, one value per channel. Of a
    block, whose input also flows past it, what is replaced is what it adds: output minus input. ``score`` is
    the model's as it is; ``see_training`` passes training windows through the model in evaluation mode, and
    ``evaluate`` scores the model (NaN counts as 0: a constant prediction follows nothing). Empty without
    blocks, and where ``see_training`` does not pass through them. A compiled model is run uncompiled.
    """
    blocks = blocks_of(model)
    if not blocks:
        return {}
    with uncompiled(model):
        return _drops(blocks, score, see_training, evaluate, each_block)


def _drops(
    blocks: tuple[nn.Module, ...],
    score: float,
    see_training: Callable[[], None],
    evaluate: Callable[[], float],
    each_block: bool,
) -> dict[str, float]:
    with _averaged(blocks) as means:
        see_training()
    if len(means) <= len(blocks):
        return {}
    drops = {}
    parts: list[tuple[str, nn.Module, Callable[[Tensor], Tensor | None]]] = [
        (STACK, blocks[-1], lambda _: None)
    ]
    if each_block:
        parts += [(f"{STACK}.{index}", block, lambda x: x) for index, block in enumerate(blocks)]
    for name, block, passed_by in parts:
        with _replaced(block, means[name], passed_by):
            reached = evaluate()
        drops[f"bypass/{name}"] = score - (0.0 if math.isnan(reached) else reached)
    return drops


@contextmanager
def _averaged(blocks: tuple[nn.Module, ...]) -> Iterator[dict[str, Tensor]]:
    """Name -> mean over windows and time, per channel; filled with what passes within the context."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    means: dict[str, Tensor] = {}

    def add(name: str, x: Tensor) -> None:
        total = x.detach().double().sum(dim=(0, 1))
        totals[name] = totals[name] + total if name in totals else total
        counts[name] = counts.get(name, 0) + x.shape[0] * x.shape[1]

    handles = []
    for index, block in enumerate(blocks):

        def hear(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor, index: int = index) -> None:
            add(f"{STACK}.{index}", output - arguments[0])
            if index == len(blocks) - 1:
                add(STACK, output)

        handles.append(block.register_forward_hook(hear))
    try:
        yield means
    finally:
        for handle in handles:
            handle.remove()
        means.update({name: total / counts[name] for name, total in totals.items()})


@contextmanager
def _replaced(block: nn.Module, mean: Tensor, passed_by: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Within the context, ``block`` gives its mean, on top of what passes it by."""

    def replace(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        constant = mean.to(output.dtype).expand_as(output)
        beside = passed_by(arguments[0])
        return constant if beside is None else torch.add(beside, constant)

    handle = block.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
