import math

import pytest
import torch
from torch import Tensor

from ablab.models import attend as attend_module
from ablab.models.attend import attend, attend_fused
from ablab.models.attention import MAX_DISTANCE, RelativeAttention, relative_rows


def plain_attention(module: RelativeAttention, x: Tensor, keep: Tensor | None = None) -> Tensor:
    """softmax((q.k + q.R[i - j]) / sqrt(d_k)) v with the T x T x d_k tensor written out."""
    n_times, d_head = x.shape[1], module.d_head
    x = module.norm(x)
    heads = []
    for head in range(module.n_heads):
        part = slice(head * d_head, (head + 1) * d_head)
        q, k, v = (linear(x)[..., part] for linear in (module.query, module.key, module.value))
        scores = torch.einsum("bid,bjd->bij", q, k)
        if module.relative is not None:
            i = torch.arange(n_times)
            rows = (i[:, None] - i[None, :]).clamp(-999, 999) + 999
            scores = scores + torch.einsum("bid,ijd->bij", q, module.relative[rows])
        weights = torch.softmax(scores / math.sqrt(d_head), dim=-1)
        if keep is not None:
            weights = weights * keep[:, head] * module.attention_dropout.scale
        heads.append(torch.einsum("bij,bjd->bid", weights, v))
    return module.output(torch.cat(heads, dim=-1))


def outputs_and_gradients(module: RelativeAttention, y: Tensor, x: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).sin().view_as(y)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, *module.parameters()])]


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize(
    ("batch", "n_times", "d_model", "n_heads"), [(2, 1, 4, 2), (3, 2, 6, 1), (2, 37, 12, 3), (1, 1012, 2, 2)]
)
def test_equals_the_plain_formula(
    batch: int, n_times: int, d_model: int, n_heads: int, relative: bool
) -> None:
    torch.manual_seed(0)
    module = RelativeAttention(d_model, n_heads, 0.0, relative_positions=relative).double()
    x = torch.randn(batch, n_times, d_model, dtype=torch.float64, requires_grad=True)
    found = outputs_and_gradients(module, module(x), x)
    expected = outputs_and_gradients(module, plain_attention(module, x), x)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_distances_beyond_the_table_use_its_outer_rows() -> None:
    module = RelativeAttention(2, 1, 0.0, relative_positions=True).double()
    assert module.relative is not None
    assert module.relative.shape == (1999, 2)
    rows = relative_rows(module.relative, 1003)
    assert rows.shape == (2005, 2)
    for distance in (1002, 1000, 999):
        assert torch.equal(rows[1002 - distance], module.relative[-1])
        assert torch.equal(rows[1002 + distance], module.relative[0])
    assert torch.equal(rows[1002], module.relative[MAX_DISTANCE])


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("n_times", [1, 2, 37, 1012])
def test_the_fused_form_equals_the_other(n_times: int, relative: bool) -> None:
    torch.manual_seed(0)
    batch, n_heads, d_head = 2, 3, 4
    parts = [torch.randn(batch, n_heads, n_times, d_head, dtype=torch.float64) for _ in range(3)]
    rows = torch.randn(2 * n_times - 1, d_head, dtype=torch.float64) if relative else None
    inputs = [part.requires_grad_() for part in (*parts, *([rows] if rows is not None else []))]
    upstream = torch.randn(batch, n_heads, n_times, d_head, dtype=torch.float64)
    q, k, v = (part.transpose(2, 3).flatten(0, 1) for part in parts)
    expected = attend(q, k, v, rows, None, 1.0).view(batch, n_heads, d_head, n_times).transpose(2, 3)
    found = attend_fused(*parts, rows, 0.0)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    for a, b in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_the_fused_form_drops_the_stated_share_of_the_weights() -> None:
    torch.manual_seed(0)
    n_times, drop_prob = 400, 0.3
    nothing, ones = torch.zeros(1, 2, n_times, 4), torch.ones(1, 2, n_times, 1)
    # All weights are 1 / n_times, so each sum of values is the share kept, scaled.
    mixed = attend_fused(nothing, nothing, ones, None, drop_prob)
    spread = math.sqrt(drop_prob / (1 - drop_prob) / n_times)
    assert float(mixed.mean()) == pytest.approx(1, abs=5 * spread / math.sqrt(mixed.numel()))
    assert float(mixed.std()) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("relative", [True, False])
def test_dropout_and_pieces(relative: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    batch, n_times, n_heads = 3, 11, 2
    monkeypatch.setattr(
        attend_module, "_CACHED", 4 * n_times * (2 * n_times if relative else n_times)
    )  # 6 in pieces of 4 and 2
    module = RelativeAttention(8, n_heads, 0.4, relative_positions=relative).double()
    keep = torch.rand(batch, n_heads, n_times, n_times) > 0.4
    monkeypatch.setattr(module.attention_dropout, "keep_mask", lambda shape: keep.view(shape))
    monkeypatch.setattr(module.output_dropout, "scale", 1.0)
    x = torch.randn(batch, n_times, 8, dtype=torch.float64, requires_grad=True)
    found = outputs_and_gradients(module, module(x), x)
    expected = outputs_and_gradients(module, plain_attention(module, x, keep), x)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_never_holds_a_tensor_of_all_pairs_and_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved for the backward pass: one value per pair of samples, not one per pair and channel."""
    module = RelativeAttention(64, 2, 0.0, relative_positions=True)
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(torch.randn(1, 200, 64, requires_grad=True))
    assert max(sizes) == 2 * 200 * 200


def test_weights_start_as_the_reference_says() -> None:
    torch.manual_seed(0)
    module = RelativeAttention(64, 4, 0.0, relative_positions=True)
    bound = math.sqrt(6 / 128)
    for linear in (module.query, module.key, module.value, module.output):
        assert 0.97 * bound < linear.weight.abs().max() <= bound
        assert linear.bias is not None
    assert module.relative is not None
    table = module.relative.detach()
    assert float(table.std()) == pytest.approx(1 / 4, rel=0.02)
    assert float(table.mean()) == pytest.approx(0, abs=0.01)


def test_bfloat16_autocast_stays_close() -> None:
    torch.manual_seed(0)
    module = RelativeAttention(16, 2, 0.0, relative_positions=True)
    x = torch.randn(2, 20, 16)
    exact = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = module(x)
    assert rough.dtype == torch.bfloat16
    rough.float().square().sum().backward()
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.05)
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_without_gradients_the_inputs_are_untouched() -> None:
    query, key, value = torch.randn(3, 2, 4, 9).unbind(0)
    before = [tensor.clone() for tensor in (query, key, value)]
    attend(query, key, value, None, torch.rand(2, 9, 9) > 0.5, 2.0)
    assert all(torch.equal(a, b) for a, b in zip(before, (query, key, value), strict=True))


def test_width_must_split_into_heads() -> None:
    with pytest.raises(ValueError, match="d_model 10 is not divisible by n_heads 4"):
        RelativeAttention(10, 4, 0.0, relative_positions=True)
