"""The attention product itself, forward and backward: for a CPU in pieces that stay in its cache.

The relative term needs no tensor of T x T x d_head: q times the 2T - 1 rows of the table, read through a
skewed view. On a GPU it is a bias for the library's own kernels (`attend_fused`).

For a CPU the whole is one autograd function (`attend`). For the backward pass only the softmax is kept, 4
bytes per score in place of about 20; its sign says what dropout zeroed. As a small decoder's step is spent on
touching fresh memory, the intermediate products live in buffers that are used again. Time is the last axis of
q, k and v, because a product with 8 columns takes four times as long as one with 8 rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

_CACHED = 2**18
"""Scores against distances computed at once on a CPU: what fits its second-level cache."""


def attend(
    query: Tensor, key: Tensor, value: Tensor, rows: Tensor | None, keep: Tensor | None, keep_scale: float
) -> Tensor:
    """Attention weights softmax(q.k + q.R[i - j]), masked and scaled, times v.

    query, key, value: (n, d_head, n_times), the query already divided by sqrt(d_head). rows: the table's
    rows for the distances n_times - 1 down to 1 - n_times, (2 n_times - 1, d_head), or None for no relative
    positions. keep: (n, n_times, n_times) bool, False where dropout zeroes a weight, or None; the others are
    multiplied by ``keep_scale``. Returns (n, d_head, n_times).
    """
    mixed: Tensor = _apply(query, key, value, rows, keep, keep_scale)
    return mixed


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _apply(*arguments: Any) -> Tensor:
    """The function as it stands: its buffers and skewed views are nothing that a compiler could improve."""
    mixed: Tensor = _Attend.apply(*arguments)  # type: ignore[no-untyped-call]
    return mixed


class _Attend(Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        rows: Tensor | None,
        keep: Tensor | None,
        keep_scale: float,
    ) -> Tensor:
        n, _, n_times = query.shape
        columns = None if rows is None else _columns(rows)
        signed = query.new_empty(n, n_times, n_times)
        mixed = torch.empty_like(query)
        buffer, by_distance = _buffers(query, columns)
        for part in _parts(n, buffer.shape[0]):
            size = part.stop - part.start
            scores = torch.bmm(query[part].transpose(1, 2), key[part], out=buffer[:size])
            if columns is not None:
                expanded = columns.expand(size, -1, -1)
                torch.bmm(query[part].transpose(1, 2), expanded, out=by_distance[:size])
                scores.add_(_skewed(by_distance[:size]))
            softmax = torch.softmax(scores, dim=-1, out=signed[part])
            if keep is not None:
                # -1 or 1; then the dropped weights are the negative ones.
                softmax.mul_(scores.copy_(keep[part]).mul_(2).sub_(1))
                softmax = torch.clamp_min(softmax, 0, out=scores)
            torch.bmm(value[part], softmax.transpose(1, 2), out=mixed[part])
        ctx.save_for_backward(query, key, value, columns, signed)
        ctx.keep_scale = keep_scale if keep is not None else None
        return mixed if keep is None else mixed.mul_(keep_scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, columns, signed = ctx.saved_tensors
        n = query.shape[0]
        gradient = gradient.contiguous() if ctx.keep_scale is None else gradient * ctx.keep_scale
        d_query, d_key, d_value = (torch.empty_like(tensor) for tensor in (query, key, value))
        d_columns = None if columns is None else torch.zeros_like(columns)
        buffer, by_distance = _buffers(query, columns)
        if columns is not None:
            by_distance.zero_()  # and so it stays outside the skewed view, which alone is written
        d_buffer = torch.empty_like(buffer)
        for part in _parts(n, buffer.shape[0]):
            size = part.stop - part.start
            used = torch.clamp_min(signed[part], 0, out=buffer[:size])
            torch.bmm(gradient[part], used, out=d_value[part])
            # d softmax(s) = softmax * (d - sum(d * softmax)), where dropout lets d through.
            d_scores = torch.bmm(gradient[part].transpose(1, 2), value[part], out=d_buffer[:size]).mul_(used)
            total = d_scores.sum(dim=-1, keepdim=True)
            d_scores.addcmul_(torch.abs(signed[part], out=used), total, value=-1)
            torch.bmm(key[part], d_scores.transpose(1, 2), out=d_query[part])
            torch.bmm(query[part], d_scores, out=d_key[part])
            if d_columns is not None:
                d_distance = by_distance[:size]
                _skewed(d_distance).copy_(d_scores)
                d_query[part] += torch.bmm(columns.expand(size, -1, -1), d_distance.transpose(1, 2))
                d_columns += torch.bmm(query[part], d_distance).sum(dim=0)
        d_rows = None if d_columns is None else d_columns[:, :-1].t()
        return d_query, d_key, d_value, d_rows, None, None


def attend_fused(query: Tensor, key: Tensor, value: Tensor, rows: Tensor | None, drop_prob: float) -> Tensor:
    """The same, by PyTorch's fused kernels.

    query, key, value: (batch, n_heads, n_times, d_head), the query divided by sqrt(d_head). rows: as above.
    drop_prob: of an attention weight to be zeroed. Returns (batch, n_heads, n_times, d_head).
    """
    bias = None
    if rows is not None:
        n_times = query.shape[2]
        by_distance = (query @ _columns(rows)).flatten(2)
        # The skewed view by slices: from element T - 1 on, a row of it begins every 2T - 1 elements.
        skewed = by_distance[:, :, n_times - 1 : n_times - 1 + n_times * (2 * n_times - 1)]
        bias = skewed.view(*query.shape[:3], -1)[:, :, :, :n_times].contiguous()
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, dropout_p=drop_prob, scale=1.0
    )


def _columns(rows: Tensor) -> Tensor:
    """(2T - 1, d_head) -> (d_head, 2T), the last column zero and never looked at.

    A GPU's fast products want rows whose length is a multiple of 8; 2T - 1 never is.
    """
    return functional.pad(rows.t(), (0, 1))


def _buffers(query: Tensor, columns: Tensor | None) -> tuple[Tensor, Tensor]:
    """Uninitialised (piece, T, T) and, where there are relative positions, (piece, T, 2T)."""
    n, _, n_times = query.shape
    width = n_times if columns is None else columns.shape[1]
    piece = max(1, min(n, _CACHED // (n_times * width)))
    return query.new_empty(piece, n_times, n_times), query.new_empty(piece, n_times, width)


def _parts(n: int, piece: int) -> Iterator[slice]:
    return (slice(start, min(start + piece, n)) for start in range(0, n, piece))


def _skewed(by_distance: Tensor) -> Tensor:
    """View (n, T, T) of contiguous (n, T, 2T) whose row i starts at column T - 1 - i."""
    n, n_times, width = by_distance.shape
    strides = (n_times * width, width - 1, 1)
    return by_distance.as_strided((n, n_times, n_times), strides, by_distance.storage_offset() + n_times - 1)
