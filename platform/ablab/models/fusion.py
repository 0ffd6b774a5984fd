"""Fusion of the stack's output with its input: the learned gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_REDUCTION = 4
"""The gate squeezes d_model by this factor (the reference's), to one channel at least."""


class Gate(nn.Module):
    """g * stack + (1 - g) * x with one g in (0, 1) per window and channel.

    g = sigmoid(W2 relu(W1 mean over time of stack)). ``last`` holds the g of the latest forward pass,
    (batch, d_model), detached: what the gate's statistics are taken from.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        d_squeezed = max(d_model // _REDUCTION, 1)
        self.squeeze = nn.Linear(d_model, d_squeezed)
        self.excite = nn.Linear(d_squeezed, d_model)
        self.last: Tensor | None = None

    def forward(self, stack: Tensor, x: Tensor) -> Tensor:
        """Two tensors (batch, n_times, d_model) -> the same shape."""
        squeezed = functional.relu(self.squeeze(stack.mean(dim=1, keepdim=True)))
        gate = torch.sigmoid(self.excite(squeezed))
        self.last = gate.detach().squeeze(1)
        return gate * stack + (1 - gate) * x
