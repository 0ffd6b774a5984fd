"""The Conformer's feed-forward module. Knows nothing of the block around it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ablab.models.dropout import Dropout


class FeedForward(nn.Module):
    """LayerNorm, Linear to ``d_inner``, Swish, Linear back, each with dropout; without the residual sum."""

    def __init__(self, d_model: int, d_inner: int, drop_prob: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, d_inner)
        self.narrow = nn.Linear(d_inner, d_model)
        nn.init.xavier_uniform_(self.widen.weight)
        nn.init.xavier_uniform_(self.narrow.weight)
        self.inner_dropout = Dropout(drop_prob, overwrite=True)
        self.output_dropout = Dropout(drop_prob, overwrite=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        inner = self.inner_dropout(functional.silu(self.widen(self.norm(x))))
        return self.output_dropout(self.narrow(inner))  # type: ignore[no-any-return]
