"""The head: one linear layer, or the MLP of the v2 improvements."""

from __future__ import annotations

from torch import Tensor, nn

from ablab.models.dropout import Dropout


class LinearHead(nn.Linear):
    """(batch, n_times, d_model) -> (batch, n_times, 1)."""

    def __init__(self, d_model: int) -> None:
        super().__init__(d_model, 1)


class MlpHead(nn.Module):
    """LayerNorm, Linear to d_model / 2, GELU, dropout, Linear to 1."""

    def __init__(self, d_model: int, drop_prob: float) -> None:
        super().__init__()
        d_inner = max(d_model // 2, 1)
        self.norm = nn.LayerNorm(d_model)
        self.narrow = nn.Linear(d_model, d_inner)
        self.activation = nn.GELU()
        self.dropout = Dropout(drop_prob, overwrite=True)
        self.output = nn.Linear(d_inner, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> (batch, n_times, 1)."""
        return self.output(self.dropout(self.activation(self.narrow(self.norm(x)))))  # type: ignore[no-any-return]
