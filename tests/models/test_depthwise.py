import pytest
import torch
from torch.nn import functional

from ablab.models import depthwise as module
from ablab.models.depthwise import depthwise


@pytest.mark.parametrize("cached", [1, 200, 2**19], ids=["channel by channel", "pieces", "at once"])
@pytest.mark.parametrize(
    ("batch", "n_times", "n_channels", "kernel_size"), [(2, 70, 6, 5), (1, 1, 3, 31), (3, 32, 5, 1)]
)
def test_equals_the_librarys_with_all_gradients(
    batch: int, n_times: int, n_channels: int, kernel_size: int, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED", cached)
    torch.manual_seed(0)
    x, weight, bias, gradient = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in (
            (batch, n_times, n_channels),
            (n_channels, 1, kernel_size),
            (n_channels,),
            (batch, n_times, n_channels),
        )
    )
    y = functional.conv1d(x.transpose(1, 2), weight, bias, padding=kernel_size // 2, groups=n_channels)
    expected = y.transpose(1, 2)
    found = depthwise(x, weight, bias)
    torch.testing.assert_close(found, expected)
    inputs = (x, weight, bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, gradient),
        torch.autograd.grad(expected, inputs, gradient),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_under_autocast_it_computes_in_the_inputs_precision() -> None:
    layer = torch.nn.Linear(3, 4)
    weight, bias = torch.randn(4, 1, 5, requires_grad=True), torch.randn(4, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = depthwise(layer(torch.randn(2, 9, 3)), weight, bias)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert weight.grad is not None and weight.grad.dtype == torch.float32
