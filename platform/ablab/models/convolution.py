"""The Conformer's convolution module. Knows nothing of the block around it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ablab.models.depthwise import depthwise
from ablab.models.dropout import Dropout


class Convolution(nn.Module):
    """LayerNorm, pointwise d -> 4d, GLU -> 2d, depthwise, BatchNorm, Swish, pointwise 2d -> d.

    Without the residual sum. The pointwise convolutions are written as Linear: the same product, the same
    default initialisation, and no transposition. In training the BatchNorm subtracts each channel's mean,
    so the true gradient of ``depthwise.bias`` is zero.
    """

    def __init__(self, d_model: int, kernel_size: int, drop_prob: float) -> None:
        super().__init__()
        d_conv = 2 * d_model
        self.norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, 2 * d_conv)
        self.depthwise = nn.Conv1d(d_conv, d_conv, kernel_size, padding=kernel_size // 2, groups=d_conv)
        self.batch_norm = nn.BatchNorm1d(d_conv)
        self.narrow = nn.Linear(d_conv, d_model)
        self.dropout = Dropout(drop_prob, overwrite=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        x = functional.glu(self.widen(self.norm(x)), dim=-1)
        assert self.depthwise.bias is not None
        x = depthwise(x, self.depthwise.weight, self.depthwise.bias)
        # Statistics are over windows and samples alike, so BatchNorm may see them as one axis.
        x = functional.silu(self.batch_norm(x.flatten(0, 1)).view_as(x))
        return self.dropout(self.narrow(x))  # type: ignore[no-any-return]
