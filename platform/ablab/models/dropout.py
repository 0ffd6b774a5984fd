"""Dropout with masks that cost little on a CPU. Knows nothing of the decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 2**16
"""A mask value is decided by 16 random bits: a rate is rounded to 1/65536, and the scale follows suit."""


class Dropout(nn.Module):
    """Zeroes elements with probability ``drop_prob`` while training and scales the others by ``scale``.

    PyTorch's own mask takes about a third of a small Conformer's training step on a CPU (5.5 ms for
    590,000 elements); cutting four values from each 64-bit random number takes a fifth of that. Drawn from
    PyTorch's global generator, as PyTorch's own.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        dropped = min(round(drop_prob * _LEVELS), _LEVELS - 1)
        self._threshold = dropped - _LEVELS // 2
        self.scale = _LEVELS / (_LEVELS - dropped)
        """Reciprocal of the probability that an element is kept."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        keep = self.keep_mask(x.shape, x.device)
        return x if keep is None else x * keep.to(x.dtype).mul_(self.scale)

    def keep_mask(self, shape: torch.Size, device: torch.device) -> Tensor | None:
        """A new mask, True where an element is kept; None where nothing is dropped."""
        if not self.training or self.drop_prob == 0:
            return None
        n = shape.numel()
        words = torch.empty((n + 3) // 4, dtype=torch.int64, device=device).random_(-(2**63), None)
        return words.view(torch.int16)[:n].view(shape) >= self._threshold

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"drop_prob={self.drop_prob}"
