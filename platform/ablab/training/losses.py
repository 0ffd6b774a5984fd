"""The losses a spec can name, as functions of prediction and target, averaged over the windows of a batch.

prediction, target: ``(batch, n_times, 1)``, both alike; a shape that differs is refused, because ``(T,)``
against ``(T, 1)`` would broadcast to ``(T, T)`` and train on nonsense without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ablab.errors import InputError
from ablab.spec.experiment import HuberPearson, Loss, MsePearson, MultiScalePearson

_FINE_SCALE = 2
"""Pooling factors up to this count as fine."""

_RESOLUTION = 8.0
"""A window that varies by less than this many roundings of its largest value counts as constant."""


def loss(prediction: Tensor, target: Tensor, spec: Loss) -> Tensor:
    """The loss that ``spec`` names, a scalar.

    >>> target = torch.tensor([[[0.0], [1.0], [3.0]]])
    >>> bool(loss(2 * target + 5, target, PearsonLoss()) < 1e-6)
    True
    """
    return LOSSES[spec.kind](prediction, target, spec)


def correlation(prediction: Tensor, target: Tensor) -> Tensor:
    """Pearson's r of each window over time: ``(batch, n_times, 1)`` twice -> ``(batch,)``.

    Exact at every scale: no epsilon is added to anything. Where r is undefined it is 0, and its gradient is
    chosen so that training can go on: for a constant prediction the gradient it would have at the target's
    own amplitude (towards the target's shape), for a constant target none.
    """
    _check_shapes(prediction, target)
    predicted, true = prediction.squeeze(2), target.squeeze(2)
    true_shape, true_constant = _shape_of(true)
    true_unit = torch.where(true_constant, 0.0, true_shape / _length(true_shape, true_constant))
    shape, constant = _shape_of(predicted)
    r = (shape / _length(shape, constant) * true_unit).sum(dim=1)
    amplitude = _length(true - true.mean(dim=1, keepdim=True), true_constant)
    leaving = ((predicted - predicted.mean(dim=1, keepdim=True)) / amplitude * true_unit).sum(dim=1)
    return torch.where(constant.squeeze(1), leaving, r)


def check_window(spec: Loss, n_times: int) -> None:
    """Raise InputError where windows of ``n_times`` samples are too short for the loss."""
    if not isinstance(spec, MultiScalePearson):
        return
    coarsest = max(spec.scales)
    if n_times // coarsest < 2:
        raise InputError(
            f"training.loss.scales: pooling by {coarsest} leaves {n_times // coarsest} samples of a window "
            f"of {n_times}, and a correlation needs 2; "
            "use smaller scales or a longer dataset.window_seconds"
        )


def _mse(prediction: Tensor, target: Tensor, spec: object) -> Tensor:
    _check_shapes(prediction, target)
    return functional.mse_loss(prediction, target)


def _pearson(prediction: Tensor, target: Tensor, spec: object) -> Tensor:
    return (1 - correlation(prediction, target)).mean()


def _mse_pearson(prediction: Tensor, target: Tensor, spec: MsePearson) -> Tensor:
    shortfall = (1 - correlation(prediction, target)).square().mean()
    return functional.mse_loss(prediction, target) + spec.weight * shortfall


def _huber_pearson(prediction: Tensor, target: Tensor, spec: HuberPearson) -> Tensor:
    return _pearson(prediction, target, spec) + spec.weight * _huber(prediction, target, spec.beta)


def _multi_scale_pearson(prediction: Tensor, target: Tensor, spec: MultiScalePearson) -> Tensor:
    _check_shapes(prediction, target)
    n_fine = sum(scale <= _FINE_SCALE for scale in spec.scales)
    total = spec.huber_weight * _huber(prediction, target, spec.huber_beta)
    for scale in spec.scales:
        fine = scale <= _FINE_SCALE
        weight = spec.fine_weight / n_fine if fine else (1 - spec.fine_weight) / (len(spec.scales) - n_fine)
        total = total + weight * _pearson(_pooled(prediction, scale), _pooled(target, scale), spec)
    return total


LOSSES: dict[str, Callable[[Tensor, Tensor, Any], Tensor]] = {
    "mse_pearson": _mse_pearson,
    "pearson": _pearson,
    "mse": _mse,
    "huber_pearson": _huber_pearson,
    "multi_scale_pearson": _multi_scale_pearson,
}
"""``training.loss.kind`` -> the function."""


def _huber(prediction: Tensor, target: Tensor, beta: float) -> Tensor:
    # Huber over beta: slope 1 far from the target, as the recipe that names it beta has it.
    return functional.smooth_l1_loss(prediction, target, beta=beta)


def _pooled(signal: Tensor, scale: int) -> Tensor:
    """Mean of every ``scale`` samples, the incomplete rest dropped: (batch, n_times // scale, 1)."""
    if scale == 1:
        return signal
    return functional.avg_pool1d(signal.transpose(1, 2), kernel_size=scale).transpose(1, 2)


def _shape_of(signal: Tensor) -> tuple[Tensor, Tensor]:
    """``(batch, n_times)`` -> the same without mean, in units of its largest value; which rows are constant.

    The unit keeps squares of tiny signals from vanishing. It is no part of the gradient: r does not depend
    on it.
    """
    largest = signal.detach().abs().amax(dim=1, keepdim=True)
    scaled = signal / torch.where(largest > 0, largest, 1.0)
    shape = scaled - scaled.mean(dim=1, keepdim=True)
    resolution = _RESOLUTION * torch.finfo(signal.dtype).eps * signal.shape[1] ** 0.5
    constant = torch.linalg.vector_norm(shape.detach(), dim=1, keepdim=True) <= resolution
    return shape, constant


def _length(centred: Tensor, constant: Tensor) -> Tensor:
    """Length of each row, 1 for constant rows."""
    return torch.where(constant, 1.0, torch.linalg.vector_norm(centred, dim=1, keepdim=True))


def _check_shapes(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or prediction.ndim != 3 or prediction.shape[2] != 1:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} "
            "must both be (batch, n_times, 1)"
        )
