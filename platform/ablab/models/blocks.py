"""One Conformer block: its modules, its residual sums, its final normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablab.models.attention import RelativeAttention
from ablab.models.convolution import Convolution
from ablab.models.feed_forward import FeedForward
from ablab.spec.experiment import Conformer


class ConformerBlock(nn.Module):
    """x + FFN/2; x + attention; x + convolution; x + FFN/2; LayerNorm.

    Without ``macaron`` there is no first feed-forward module, and the one behind the convolution is added
    in full.
    """

    def __init__(self, spec: Conformer) -> None:
        super().__init__()
        d_model, drop_prob = spec.d_model, spec.drop_prob
        self.feed_forward_in = FeedForward(d_model, spec.d_inner, drop_prob) if spec.macaron else None
        self.attention = RelativeAttention(
            d_model, spec.n_heads, drop_prob, relative_positions=spec.relative_positions
        )
        self.convolution = Convolution(d_model, spec.conv_kernel_size, drop_prob)
        self.feed_forward_out = FeedForward(d_model, spec.d_inner, drop_prob)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        step = 1.0
        if self.feed_forward_in is not None:
            step = 0.5
            x = torch.add(x, self.feed_forward_in(x), alpha=step)
        x = x + self.attention(x)
        x = x + self.convolution(x)
        x = torch.add(x, self.feed_forward_out(x), alpha=step)
        return self.norm(x)  # type: ignore[no-any-return]
