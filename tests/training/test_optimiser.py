from __future__ import annotations

import pytest
import torch
from torch.nn import Parameter

from ablab.spec.experiment import Training
from ablab.training.optimiser import build_optimiser, clip, gradient_norm, gradients_of, set_learning_rate
from ablab.training.parameter_groups import ParameterGroup

REFERENCE = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def steps(optimiser: torch.optim.Optimizer, parameter: Parameter, n_steps: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_steps):
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()
    return parameter.detach()


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_adam_and_adamw_take_every_setting(kind: str) -> None:
    training = Training(optimizer=kind, learning_rate=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)
    ours, theirs = Parameter(torch.ones(7)), Parameter(torch.ones(7))
    reference = REFERENCE[kind](
        [theirs], lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, foreach=False
    )
    torch.testing.assert_close(
        steps(build_optimiser(training, [ParameterGroup((ours,))]), ours), steps(reference, theirs)
    )


def test_sgd_takes_every_setting() -> None:
    training = Training(optimizer="sgd", learning_rate=0.01, momentum=0.9, weight_decay=0.1)
    ours, theirs = Parameter(torch.ones(7)), Parameter(torch.ones(7))
    reference = torch.optim.SGD([theirs], lr=0.01, momentum=0.9, weight_decay=0.1, foreach=False)
    torch.testing.assert_close(
        steps(build_optimiser(training, [ParameterGroup((ours,))]), ours), steps(reference, theirs)
    )


def test_adam_with_decay_is_not_adamw() -> None:
    results = []
    for kind in ("adam", "adamw"):
        parameter = Parameter(torch.ones(7))
        training = Training(optimizer=kind, learning_rate=0.01, weight_decay=0.5)
        results.append(steps(build_optimiser(training, [ParameterGroup((parameter,))]), parameter))
    assert not torch.allclose(*results)


def test_the_rate_is_that_of_the_next_step() -> None:
    parameter = Parameter(torch.zeros(1))
    optimiser = build_optimiser(Training(optimizer="sgd", learning_rate=1.0), [ParameterGroup((parameter,))])
    set_learning_rate(optimiser, 0.25)
    parameter.grad = torch.ones(1)
    optimiser.step()
    assert parameter.item() == -0.25


def test_each_group_has_its_rate_and_its_decay() -> None:
    fast, slow, spared = (Parameter(torch.ones(1)) for _ in range(3))
    groups = [
        ParameterGroup((fast,), 2.0),
        ParameterGroup((slow,), 0.5),
        ParameterGroup((spared,), 1.0, False),
    ]
    optimiser = build_optimiser(Training(optimizer="sgd", learning_rate=1.0, weight_decay=0.5), groups)
    set_learning_rate(optimiser, 0.1)
    for parameter in (fast, slow, spared):
        parameter.grad = torch.ones(1)
    optimiser.step()
    # w - rate * factor * (gradient + decay * w)
    assert [fast.item(), slow.item(), spared.item()] == pytest.approx(
        [1 - 0.2 * 1.5, 1 - 0.05 * 1.5, 1 - 0.1]
    )


def test_frozen_parameters_are_left_alone() -> None:
    frozen, trained = Parameter(torch.zeros(1), requires_grad=False), Parameter(torch.zeros(1))
    optimiser = build_optimiser(
        Training(),
        [
            ParameterGroup(
                (
                    frozen,
                    trained,
                )
            )
        ],
    )
    assert [parameter is trained for parameter in optimiser.param_groups[0]["params"]] == [True]


def test_norm_is_over_all_gradients_together() -> None:
    parameters = [Parameter(torch.zeros(2)), Parameter(torch.zeros(1)), Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([12.0])
    gradients = gradients_of(parameters)
    assert len(gradients) == 2
    assert gradient_norm(gradients).item() == pytest.approx(13.0)


def test_norm_of_huge_gradients_stays_finite() -> None:
    gradients = [torch.full((1,), 3e30), torch.full((1,), 4e30)]
    assert gradient_norm(gradients).item() == pytest.approx(5e30)
    assert gradient_norm([torch.zeros(3)]).item() == 0.0


@pytest.mark.parametrize(("largest", "expected"), [(1.0, 1.0), (5.0, 5.0), (20.0, 13.0)])
def test_clipping_keeps_the_direction(largest: float, expected: float) -> None:
    gradients = [torch.tensor([3.0, 4.0]), torch.tensor([12.0])]
    clip(gradients, gradient_norm(gradients).item(), largest)
    assert gradient_norm(gradients).item() == pytest.approx(expected)
    assert (gradients[1] / gradients[0][0]).item() == pytest.approx(4.0)
