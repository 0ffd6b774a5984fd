import torch

from ablab.models.gradient_scale import GradientScale


def gradient(module: GradientScale) -> torch.Tensor:
    x = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    y = module(x)
    assert torch.equal(y, x)
    (y**3).sum().backward()
    assert x.grad is not None
    return x.grad


def test_identity_forward_and_factor_backward() -> None:
    plain = torch.tensor([3.0, 12.0, 27.0], dtype=torch.float64)
    for factor in (0.5, 1.0, 1.5, 3.0):
        assert torch.equal(gradient(GradientScale(factor).train()), plain * factor)


def test_silent_in_evaluation() -> None:
    assert torch.equal(gradient(GradientScale(2.0).eval()), gradient(GradientScale(1.0).eval()))


def test_factor_one_leaves_no_trace_in_the_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    assert GradientScale(1.0).train()(x) is x


def test_gradients_of_the_input_are_not_written_in_place() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    upstream = torch.tensor([1.0, 1.0])
    GradientScale(2.0).train()(y).backward(upstream)
    assert upstream.tolist() == [1.0, 1.0]
