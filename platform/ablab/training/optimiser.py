"""The optimiser a spec names, and what is done to gradients before it moves the weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

# The first optimiser imports this anyway, a second of CPU; imported here, a process that preloads the
# training loop pays it once for all the processes forked from it.
import torch._dynamo
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer

from ablab.spec.experiment import Training
from ablab.training.parameter_groups import ParameterGroup


def build_optimiser(training: Training, groups: Iterable[ParameterGroup]) -> Optimizer:
    """Optimiser over ``groups``; the loop sets the learning rate before every step.

    The fused kernels run one pass over each parameter in place of ten small operations.
    """
    rate = training.learning_rate
    trained = [
        {
            "params": parameters,
            "lr": rate * group.rate_factor,
            "rate_factor": group.rate_factor,
            "weight_decay": training.weight_decay if group.is_decayed else 0.0,
        }
        for group in groups
        if (parameters := [parameter for parameter in group.parameters if parameter.requires_grad])
    ]
    if training.optimizer == "sgd":
        return SGD(trained, lr=rate, momentum=training.momentum, fused=True)
    kind = AdamW if training.optimizer == "adamw" else Adam
    return kind(trained, lr=rate, betas=training.betas, eps=training.eps, fused=True)


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """The rate of the next step; each group's own is its factor times that."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["rate_factor"]


def gradients_of(parameters: Iterable[Parameter]) -> list[Tensor]:
    """The gradients there are; a parameter that the loss does not reach has none."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """L2 norm over all gradients together, a scalar on their device; nothing is transferred.

    Computed in units of the largest tensor norm, so that squares of huge norms stay finite.
    """
    norms = torch.stack(torch._foreach_norm(list(gradients)))
    largest = norms.amax()
    unit = torch.where(largest > 0, largest, 1.0)
    norm: Tensor = torch.linalg.vector_norm(norms / unit) * unit
    return norm


def clip(gradients: Sequence[Tensor], norm: float, largest: float) -> None:
    """Scale all gradients so that their joint norm, now ``norm``, is at most ``largest``."""
    if norm > largest:
        torch._foreach_mul_(list(gradients), largest / norm)
