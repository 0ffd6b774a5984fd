from __future__ import annotations

import pytest
import torch

from ablab.diagnostics.measure import _bounds, _peaks


def _tensors(device: str) -> list[torch.Tensor]:
    """Of very different sizes, and some all above or all below zero."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in ((3, 5), (1,), (70_000,), (2, 3, 4))]
    return [tensor.to(device) for tensor in (*drawn, drawn[0] - 9, drawn[0] + 9, torch.zeros(4), drawn[0].T)]


def _expected() -> torch.Tensor:
    return torch.tensor([[float(one.min()), float(one.max())] for one in _tensors("cpu")]).double()


def test_bounds_and_peaks_of_every_tensor() -> None:
    assert torch.equal(_bounds(_tensors("cpu")), _expected())
    assert torch.equal(_peaks(_tensors("cpu")), _expected().abs().amax(dim=1))


@pytest.mark.gpu
def test_bounds_and_peaks_on_a_gpu(cuda: str) -> None:
    assert torch.equal(_bounds(_tensors(cuda)).cpu(), _expected())
    assert torch.equal(_peaks(_tensors(cuda)).cpu(), _expected().abs().amax(dim=1))
