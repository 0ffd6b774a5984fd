from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import Tensor

from ablab.errors import InputError
from ablab.spec.experiment import (
    HuberPearson,
    Loss,
    MseLoss,
    MsePearson,
    MultiScalePearson,
    PearsonLoss,
)
from ablab.training.losses import LOSSES, check_window, correlation, loss

SPECS = [
    MsePearson(weight=0.7),
    PearsonLoss(),
    MseLoss(),
    HuberPearson(weight=0.4, beta=0.2),
    MultiScalePearson(scales=(1, 2, 4), fine_weight=0.6),
]


def windows(seed: int, n_times: int = 30, batch: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(batch, n_times, 1, generator=generator, dtype=torch.float64)
    return 0.5 * target + torch.randn(target.shape, generator=generator, dtype=torch.float64), target


def scipy_r(prediction: Tensor, target: Tensor) -> np.ndarray:
    pairs = zip(prediction.squeeze(2).numpy(), target.squeeze(2).numpy(), strict=True)
    return np.array([pearsonr(p, t).statistic for p, t in pairs])


def test_table_names_every_loss_of_the_spec() -> None:
    kinds = {member.model_fields["kind"].default for member in get_args(get_args(Loss)[0])}
    assert set(LOSSES) == kinds


def test_correlation_equals_scipy() -> None:
    prediction, target = windows(0)
    np.testing.assert_allclose(correlation(prediction, target), scipy_r(prediction, target), atol=1e-14)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_gradients_are_those_of_finite_differences(spec: Loss) -> None:
    prediction, target = windows(1)
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda value: loss(value, target, spec), (prediction,))


def test_mse_pearson_by_hand() -> None:
    prediction, target = windows(2)
    r = scipy_r(prediction, target)
    expected = float(((prediction - target) ** 2).mean()) + 0.7 * ((1 - r) ** 2).mean()
    assert loss(prediction, target, MsePearson(weight=0.7)).item() == pytest.approx(expected, abs=1e-12)


def test_pearson_and_mse_by_hand() -> None:
    prediction, target = windows(3)
    assert loss(prediction, target, PearsonLoss()).item() == pytest.approx(
        (1 - scipy_r(prediction, target)).mean(), abs=1e-12
    )
    assert loss(prediction, target, MseLoss()).item() == pytest.approx(
        float(((prediction - target) ** 2).mean()), abs=1e-12
    )


def huber(prediction: Tensor, target: Tensor, beta: float) -> float:
    error = (prediction - target).abs().numpy()
    return float(np.where(error < beta, 0.5 * error**2 / beta, error - 0.5 * beta).mean())


def test_huber_pearson_by_hand() -> None:
    prediction, target = windows(4)
    expected = (1 - scipy_r(prediction, target)).mean() + 0.4 * huber(prediction, target, 0.2)
    assert loss(prediction, target, SPECS[3]).item() == pytest.approx(expected, abs=1e-12)


def test_multi_scale_pearson_by_hand() -> None:
    prediction, target = windows(5, n_times=30)
    spec = MultiScalePearson(scales=(1, 2, 4), fine_weight=0.6, huber_weight=0.3, huber_beta=0.1)

    def at(scale: int) -> float:
        # 30 samples pooled by 4: 7 means, the last two samples dropped.
        cut = 30 // scale * scale
        pooled = [
            signal[:, :cut].reshape(3, -1, scale).mean(dim=2, keepdim=True) for signal in (prediction, target)
        ]
        return float((1 - scipy_r(*pooled)).mean())

    expected = 0.3 * at(1) + 0.3 * at(2) + 0.4 * at(4) + 0.3 * huber(prediction, target, 0.1)
    assert loss(prediction, target, spec).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, 1e6])
def test_r_does_not_depend_on_scale_in_float32(scale: float) -> None:
    prediction, target = (signal.float() for signal in windows(6, n_times=640))
    expected = correlation(prediction, target)
    np.testing.assert_allclose(correlation(scale * prediction, target), expected, atol=2e-6)
    np.testing.assert_allclose(correlation(prediction, scale * target), expected, atol=2e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 7e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_prediction_can_be_left(value: float, dtype: torch.dtype) -> None:
    _, target = (signal.to(dtype) for signal in windows(7, n_times=640))
    prediction = torch.full_like(target, value).requires_grad_()
    result = loss(prediction, target, PearsonLoss())
    assert result.item() == pytest.approx(1.0, abs=1e-3)
    result.backward()
    gradient = prediction.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    # A small step against the gradient correlates perfectly with the target, and its size is that of the
    # gradient at the target's own amplitude: 1 / (3 windows * length of the target).
    np.testing.assert_allclose(correlation(-gradient, target), 1, atol=1e-5)
    length = (target - target.mean(dim=1, keepdim=True)).norm(dim=1)
    np.testing.assert_allclose(gradient.norm(dim=1), 1 / (3 * length), rtol=1e-4)


def test_training_leaves_a_constant_prediction() -> None:
    _, target = (signal.float() for signal in windows(8))
    prediction = torch.zeros_like(target).requires_grad_()
    optimiser = torch.optim.SGD([prediction], lr=1.0)
    for _ in range(50):
        optimiser.zero_grad()
        loss(prediction, target, MsePearson()).backward()
        optimiser.step()
    assert correlation(prediction, target).min() > 0.99


def test_a_silent_target_has_no_gradient_and_spoils_no_other_window() -> None:
    prediction, target = (signal.float() for signal in windows(9))
    target[1] = 0.1
    prediction.requires_grad_()
    loss(prediction, target, PearsonLoss()).backward()
    assert prediction.grad is not None
    assert prediction.grad[1].abs().max() == 0
    assert prediction.grad[0].abs().min() > 0
    flat = torch.full_like(target, 0.3).requires_grad_()
    loss(flat, target, PearsonLoss()).backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
@pytest.mark.parametrize(
    ("left", "right"), [((30,), (30, 1)), ((2, 30), (2, 30, 1)), ((2, 30, 1), (1, 30, 1)), ((30,), (30,))]
)
def test_shapes_that_would_broadcast_are_refused(
    spec: Loss, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"must both be \(batch, n_times, 1\)"):
        loss(torch.ones(left), torch.ones(right), spec)


def test_windows_too_short_for_a_scale_are_refused() -> None:
    check_window(MultiScalePearson(scales=(1, 16)), 32)
    check_window(MsePearson(), 2)
    with pytest.raises(
        InputError, match=r"training.loss.scales: pooling by 16 leaves 1 samples of a window of 31"
    ):
        check_window(MultiScalePearson(scales=(1, 16)), 31)
