"""Dropout with masks that cost little on a CPU. Knows nothing of the decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

_LEVELS = 2**16
"""A mask value is decided by 16 random bits: a rate is rounded to 1/65536, and the scale follows suit."""


class _Drop(Function):
    """x times the mask times the scale. Autograd would keep the mask as numbers, of four times its size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: Tensor, scale: float, overwrite: bool) -> Tensor:
        ctx.save_for_backward(keep)
        ctx.scale = scale
        factors = keep.to(x.dtype).mul_(scale)
        if overwrite:
            ctx.mark_dirty(x)
            return x.mul_(factors)
        return x * factors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (keep,) = ctx.saved_tensors
        return gradient * keep.to(gradient.dtype).mul_(ctx.scale), None, None, None


class Dropout(nn.Module):
    """Zeroes elements with probability ``drop_prob`` while training and scales the others by ``scale``.

    PyTorch's own mask takes about a third of a small Conformer's training step on a CPU (5.5 ms for
    590,000 elements); cutting four values from each 64-bit random number takes a fifth of that. Drawn from
    PyTorch's global generator, as PyTorch's own.

    overwrite: the input's memory is used for the output; for an input that is needed nowhere else. Fresh
    memory costs a CPU as much as the product.
    """

    def __init__(self, drop_prob: float, *, overwrite: bool = False) -> None:
        super().__init__()
        self.overwrite = overwrite
        self.drop_prob = drop_prob
        dropped = min(round(drop_prob * _LEVELS), _LEVELS - 1)
        self._threshold = dropped - _LEVELS // 2
        self.scale = _LEVELS / (_LEVELS - dropped)
        """Reciprocal of the probability that an element is kept."""

    @property
    def dropped(self) -> float:
        """Probability that an element is zeroed now: ``drop_prob`` as it is rounded, 0 in evaluation."""
        return 1 - 1 / self.scale if self.training else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        if not self.dropped:
            return x
        if x.device.type != "cpu":
            # One kernel, or part of one.
            return functional.dropout(x, self.dropped)
        dropped: Tensor = self._on_cpu(x)
        return dropped

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _on_cpu(self, x: Tensor) -> Tensor:
        keep = self.keep_mask(x.shape)
        dropped: Tensor = _Drop.apply(x, keep, self.scale, self.overwrite)  # type: ignore[no-untyped-call]
        return dropped

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def keep_mask(self, shape: torch.Size) -> Tensor | None:
        """A new mask on the CPU, True where an element is kept; None where nothing is dropped."""
        if not self.dropped:
            return None
        n = shape.numel()
        words = torch.empty((n + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        return words.view(torch.int16)[:n].view(shape) >= self._threshold

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"drop_prob={self.drop_prob}"
