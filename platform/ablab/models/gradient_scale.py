"""Gradient scaling: identity forward, a constant factor backward. Knows nothing of the decoder."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function


class _Scale(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


class GradientScale(nn.Module):
    """Multiplies the gradient that passes through by ``factor``, in training mode only.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> GradientScale(3.0)(x).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same values out."""
        if not self.training or self.factor == 1:
            return x
        scaled: Tensor = _Scale.apply(x, self.factor)  # type: ignore[no-untyped-call]
        return scaled

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"factor={self.factor}"
