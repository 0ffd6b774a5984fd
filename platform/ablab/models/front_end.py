"""What stands before the stack: convolutions or a linear map, channel attention, subject, positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablab.models.decoder import UNSEEN
from ablab.models.dropout import Dropout

_CNN_KERNELS = (7, 5, 3)
"""Kernel sizes of the three convolutions, samples (the reference's)."""

_SLOPE = 0.01
"""Slope of LeakyReLU below zero (the reference's)."""

_REDUCTION = 16
"""Channel attention squeezes d_model by this factor (the reference's), to one channel at least."""


class ConvolutionalFrontEnd(nn.Module):
    """Three convolutions over time, each with LayerNorm over channels, LeakyReLU and dropout."""

    def __init__(self, n_chans: int, d_model: int, drop_prob: float) -> None:
        super().__init__()
        widths = (n_chans, d_model, d_model)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, d_model, kernel, padding=kernel // 2)
            for width, kernel in zip(widths, _CNN_KERNELS, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in _CNN_KERNELS)
        self.dropout = Dropout(drop_prob, overwrite=True)

    def forward(self, eeg: Tensor) -> Tensor:
        """(batch, n_times, n_chans) -> (batch, n_times, d_model)."""
        x = eeg
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = convolution(x.transpose(1, 2)).transpose(1, 2)
            x = self.dropout(functional.leaky_relu(norm(x), _SLOPE))
        return x


class SqueezeExcitation(nn.Module):
    """Scales each channel by a weight in (0, 1) computed from the channels' means over time."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        d_squeezed = max(d_model // _REDUCTION, 1)
        self.squeeze = nn.Linear(d_model, d_squeezed, bias=False)
        self.excite = nn.Linear(d_squeezed, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        squeezed = functional.leaky_relu(self.squeeze(x.mean(dim=1, keepdim=True)), _SLOPE)
        return x * torch.sigmoid(self.excite(squeezed))


class SubjectEmbedding(nn.Linear):
    """Linear map of the one-hot subject: one column of the weight, plus the bias.

    In evaluation a subject that was not trained on (`UNSEEN`) has the mean of the columns.
    """

    def __init__(self, n_subjects: int, d_model: int) -> None:
        super().__init__(n_subjects, d_model)

    def forward(self, subject: Tensor) -> Tensor:
        """(batch,) int64 -> (batch, 1, d_model).

        An index that stands for no subject raises ValueError on a CPU. Elsewhere looking at it would make the
        host wait for the device, in every step; there the device refuses it, as a row that is not there.
        """
        if subject.device.type == "cpu" and not torch.compiler.is_compiling():
            self._check(subject)
        columns = self.weight.t()
        if not self.training:
            columns = torch.cat([columns, columns.mean(dim=0, keepdim=True)])
        # Behind the last subject stands the mean, in evaluation; behind that nothing.
        nobody = torch.where(subject == UNSEEN, self.in_features, self.in_features + 1)
        row = torch.where((subject >= 0) & (subject < self.in_features), subject, nobody)
        return (columns[row] + self.bias).unsqueeze(1)

    def _check(self, subject: Tensor) -> None:
        low, high = (int(bound) for bound in torch.stack(torch.aminmax(subject)).tolist())
        lowest = 0 if self.training else UNSEEN
        if low < lowest or high >= self.in_features:
            raise ValueError(
                f"subject index {low if low < lowest else high} is outside 0 ... {self.in_features - 1}: "
                f"the decoder was built for {self.in_features} subjects"
            )


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of the position, base 10000, not trained."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self._table = torch.empty(0, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        n_times = x.shape[1]
        if self._table.shape[0] < n_times or self._table.device != x.device or self._table.dtype != x.dtype:
            self._table = sinusoids(n_times, self.d_model).to(x.device, x.dtype)
        return x + self._table[:n_times]


def sinusoids(n_times: int, d_model: int) -> Tensor:
    """(n_times, d_model) float64: sines in even columns, cosines in odd ones, base 10000."""
    position = torch.arange(n_times, dtype=torch.float64)[:, None]
    frequency = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float64) * (-math.log(10000.0) / d_model))
    table = torch.empty(n_times, d_model, dtype=torch.float64)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency[: d_model // 2])
    return table
