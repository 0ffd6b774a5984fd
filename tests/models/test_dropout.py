import pytest
import torch

from ablab.models.dropout import Dropout


@pytest.mark.parametrize("drop_prob", [0.01, 0.3, 0.9, 0.999999])
def test_keeps_the_stated_share_and_the_mean(drop_prob: float) -> None:
    torch.manual_seed(0)
    y = Dropout(drop_prob).train()(torch.ones(1000, 1001))
    kept = y != 0
    sd = (drop_prob * (1 - drop_prob) / y.numel()) ** 0.5
    assert float(kept.double().mean()) == pytest.approx(1 - drop_prob, abs=5 * sd + 1 / 65536)
    if kept.any():
        assert y[kept].unique().tolist() == pytest.approx(
            [1 / (1 - drop_prob)], rel=3e-3 if drop_prob < 0.99 else 1
        )


def test_masks_are_independent_along_every_axis() -> None:
    torch.manual_seed(1)
    kept = (Dropout(0.5).train()(torch.ones(64, 64, 64)) != 0).double() - 0.5
    for lag in range(1, 9):
        for axis in range(3):
            both = kept.narrow(axis, 0, 64 - lag) * kept.narrow(axis, lag, 64 - lag)
            assert abs(float(both.mean()) * 4) < 5 / 64**1.5 * 1.2


def test_gradient_passes_where_the_value_passed() -> None:
    torch.manual_seed(2)
    x = torch.randn(50, 7, requires_grad=True)
    y = Dropout(0.4).train()(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_draws_from_the_global_generator_only_in_training() -> None:
    x = torch.randn(5, 3)
    torch.manual_seed(3)
    first = Dropout(0.5).train()(x)
    torch.manual_seed(3)
    assert torch.equal(first, Dropout(0.5).train()(x))
    state = torch.get_rng_state()
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert torch.equal(state, torch.get_rng_state())
