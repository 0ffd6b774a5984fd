"""Multi-head self-attention with learned relative positions: the module and its parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ablab.models.attend import attend, attend_fused
from ablab.models.dropout import Dropout

MAX_DISTANCE = 999
"""Largest distance with a row of its own, samples: the reference's table has 2 * 1000 - 1 rows."""


class RelativeAttention(nn.Module):
    """Pre-normalised self-attention, softmax((q.k + q.R[i - j]) / sqrt(d_k)) v, without the residual sum.

    ``R`` is a table [1999, d_k] shared by the heads; distances beyond 999 samples use its outer rows.
    Without relative positions the table and its term are absent: plain scaled dot products.
    """

    def __init__(self, d_model: int, n_heads: int, drop_prob: float, *, relative_positions: bool) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"d_model {d_model} is not divisible by n_heads {n_heads}")
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.norm = nn.LayerNorm(d_model)
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)
        for linear in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(linear.weight)
        self.relative: nn.Parameter | None = None
        if relative_positions:
            rows = torch.randn(2 * MAX_DISTANCE + 1, self.d_head)
            self.relative = nn.Parameter(rows / math.sqrt(self.d_head))
        self.attention_dropout = Dropout(drop_prob)
        self.output_dropout = Dropout(drop_prob, overwrite=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> the same shape."""
        batch, n_times, d_model = x.shape
        x = self.norm(x)
        # Scaling q scales both terms of the score, with fewer products than scaling the scores.
        query, key, value = self.query(x) * (1 / math.sqrt(self.d_head)), self.key(x), self.value(x)
        rows = None if self.relative is None else relative_rows(self.relative, n_times).to(query.dtype)
        dropout = self.attention_dropout
        if x.device.type != "cpu":
            q, k, v = (
                part.view(batch, n_times, self.n_heads, -1).transpose(1, 2) for part in (query, key, value)
            )
            mixed = attend_fused(q, k, v, rows, dropout.dropped).transpose(1, 2).flatten(2)
        else:
            keep = dropout.keep_mask(torch.Size((batch * self.n_heads, n_times, n_times)))
            q, k, v = (self._heads(part) for part in (query, key, value))
            mixed = attend(q, k, v, rows, keep, dropout.scale).view(batch, d_model, n_times).transpose(1, 2)
        return self.output_dropout(self.output(mixed))  # type: ignore[no-any-return]

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, n_times, d_model) -> (batch * n_heads, d_head, n_times)."""
        batch, n_times, _ = x.shape
        return x.transpose(1, 2).reshape(batch * self.n_heads, self.d_head, n_times)


def relative_rows(table: Tensor, n_times: int) -> Tensor:
    """Rows of ``table`` for the distances i - j = n_times - 1, ..., 1 - n_times, clipped at its ends.

    Descending, so that row c belongs to query i and key j = i + c - (n_times - 1).
    (n_rows, d_head) -> (2 n_times - 1, d_head).
    """
    distances = torch.arange(n_times - 1, -n_times, -1, device=table.device)
    limit = (table.shape[0] - 1) // 2
    return table[distances.clamp_(-limit, limit) + limit]
