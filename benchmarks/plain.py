"""The decoder in its straightforward form, to measure ours against: the same weights, PyTorch's own modules.

Written as the published implementations of this architecture are: relative positions gathered into a tensor
(n_times, n_times, d_head), every intermediate result kept by autograd, dropout by ``nn.Dropout``, pointwise
convolutions as ``nn.Conv1d``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablab.models.attention import MAX_DISTANCE, RelativeAttention
from ablab.models.build import build_model
from ablab.models.convolution import Convolution
from ablab.models.decoder import Decoder
from ablab.models.dropout import Dropout
from ablab.spec.experiment import Conformer, Improvements


class PlainAttention(nn.Module):
    """Of a `RelativeAttention`, its weights."""

    def __init__(self, ours: RelativeAttention) -> None:
        super().__init__()
        self.norm, self.n_heads, self.relative = ours.norm, ours.n_heads, ours.relative
        self.query, self.key, self.value, self.output = ours.query, ours.key, ours.value, ours.output
        self.dropout = nn.Dropout(ours.attention_dropout.drop_prob)
        self.output_dropout = nn.Dropout(ours.output_dropout.drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        x = self.norm(x)
        batch, n_times, d_model = x.shape
        shape = (batch, n_times, self.n_heads, d_model // self.n_heads)
        q, k, v = (part(x).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3)
        if self.relative is not None:
            i = torch.arange(n_times, device=x.device)
            distances = (i[:, None] - i[None]).clamp(-MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE
            scores = scores + torch.einsum("bhid,ijd->bhij", q, self.relative[distances])
        mixing = self.dropout(torch.softmax(scores / math.sqrt(shape[3]), dim=-1))
        return self.output_dropout(self.output((mixing @ v).transpose(1, 2).reshape(x.shape)))


class PlainConvolution(nn.Module):
    """Of a `Convolution`, its weights."""

    def __init__(self, ours: Convolution) -> None:
        super().__init__()
        self.norm, self.depthwise, self.batch_norm = ours.norm, ours.depthwise, ours.batch_norm
        self.widen, self.narrow = _pointwise(ours.widen), _pointwise(ours.narrow)
        self.dropout = nn.Dropout(ours.dropout.drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        x = functional.glu(self.widen(self.norm(x).transpose(1, 2)), dim=1)
        x = functional.silu(self.batch_norm(self.depthwise(x)))
        return self.dropout(self.narrow(x).transpose(1, 2))


def plain_model(model: Conformer, improvements: Improvements, n_chans: int, n_subjects: int) -> Decoder:
    """The decoder with its attention, convolutions and dropout replaced by their plain forms."""
    decoder = build_model(model, improvements, n_chans, n_subjects)
    for parent in list(decoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, RelativeAttention):
                setattr(parent, name, PlainAttention(child))
            elif isinstance(child, Convolution):
                setattr(parent, name, PlainConvolution(child))
            elif isinstance(child, Dropout):
                setattr(parent, name, nn.Dropout(child.drop_prob))
    return decoder


def _pointwise(linear: nn.Linear) -> nn.Conv1d:
    convolution = nn.Conv1d(linear.in_features, linear.out_features, 1)
    with torch.no_grad():
        convolution.weight.copy_(linear.weight[:, :, None])
        convolution.bias.copy_(linear.bias)  # type: ignore[union-attr]
    return convolution
