"""Measures what quantities need, in one pass over the parameters and one transfer from the device."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablab.diagnostics.branches import BranchEar
from ablab.diagnostics.quantity import Need
from ablab.models.decoder import Decoder


class Gauge:
    """Holds the copies of the weights that changes are measured against, and only those needed."""

    def __init__(self, model: Decoder, needs: Collection[Need]) -> None:
        self._model = model
        self._parameters = list(model.parameters())
        self._weights = [parameter.detach() for parameter in self._parameters]
        self._needs = frozenset(needs)
        self._initial: list[Tensor] = []
        self._initial_norm: Tensor | None = None
        self._before: list[Tensor] = []
        self._previous: list[Tensor] = []
        self._branches = BranchEar(model)
        self._clipped: tuple[int, int] | None = None
        if self._needs & {Need.INITIAL_NORM, Need.DRIFT_NORM}:
            self._initial = self._copy()
        if Need.INTERVAL_NORM in self._needs:
            self._previous = self._initial or self._copy()

    def listen(self) -> None:
        """Hear the branches in the next forward pass."""
        if Need.BRANCHES in self._needs:
            self._branches.listen()

    def count(self, clipped: bool) -> None:
        """Count a step whose gradient was, or was not, clipped."""
        steps, before = self._clipped or (0, 0)
        self._clipped = steps + 1, before + clipped

    def remember_before_update(self) -> None:
        """Keep the weights as they are, for what the update changes."""
        if Need.UPDATE_NORM in self._needs:
            self._before = self._copy()

    def forget(self) -> None:
        """Drop what only one step needs, and start the next interval here."""
        self._before = []
        if Need.INTERVAL_NORM in self._needs:
            self._previous = self._copy()

    @torch.no_grad()
    def read(self, needs: Collection[Need]) -> dict[Need, NDArray[np.float64]]:
        """Measure; one transfer for all."""
        ordered = [need for need in Need if need in needs]
        if not ordered:
            return {}
        pieces = [self._measure(need) for need in ordered]
        flat = torch.cat(pieces).cpu().numpy()
        ends = np.cumsum([piece.numel() for piece in pieces])[:-1]
        return dict(zip(ordered, np.split(flat, ends), strict=True))

    def state(self) -> dict[str, Any]:
        """The copies that outlast a step, and the counts."""
        return {"initial": self._initial, "previous": self._previous, "clipped": self._clipped}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave, onto the decoder's device."""
        device = self._weights[0].device
        self._initial = [tensor.to(device) for tensor in state["initial"]]
        self._previous = [tensor.to(device) for tensor in state["previous"]]
        self._initial_norm = None
        self._clipped = None if state["clipped"] is None else tuple(state["clipped"])

    def _measure(self, need: Need) -> Tensor:
        match need:
            case Need.GRADIENT_NORM:
                return _norms(self._gradients())
            case Need.GRADIENT_PEAK:
                return _peaks(self._gradients())
            case Need.GATE:
                return self._gate()
            case Need.BRANCHES:
                return self._branches.energies()
            case Need.CLIPPED:
                return self._weights[0].new_tensor(self._clipped or (), dtype=torch.float64)
            case Need.WEIGHT_NORM:
                return _norms(self._before)
            case Need.UPDATE_NORM:
                return _norms(torch._foreach_sub(self._weights, self._before))
            case Need.INITIAL_NORM:
                if self._initial_norm is None:
                    self._initial_norm = _norms(self._initial)
                return self._initial_norm
            case Need.DRIFT_NORM:
                return _norms(torch._foreach_sub(self._weights, self._initial))
            case Need.INTERVAL_NORM:
                return _norms(torch._foreach_sub(self._weights, self._previous))
            case Need.SPREAD:
                low, high = _bounds(self._weights).unbind(dim=1)
                return (high - low) / 2

    def _gradients(self) -> list[Tensor]:
        """One per parameter; a zero for a frozen one, which has none."""
        zero = self._weights[0].new_zeros(1)
        return [zero if parameter.grad is None else parameter.grad for parameter in self._parameters]

    def _gate(self) -> Tensor:
        gate = self._model.gate
        if gate is None or gate.last is None:
            return self._weights[0].new_zeros(0, dtype=torch.float64)
        values = gate.last.double()
        return torch.stack([values.mean(), values.std(correction=0)])

    def _copy(self) -> list[Tensor]:
        copies = [torch.empty_like(weight) for weight in self._weights]
        torch._foreach_copy_(copies, self._weights)
        return copies


def _norms(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm of each tensor, summed in float64."""
    norms: list[Tensor] = list(torch._foreach_norm(list(tensors), 2, dtype=torch.float64))
    return torch.stack(norms)


def _peaks(tensors: Sequence[Tensor]) -> Tensor:
    """Largest absolute element of each tensor, float64.

    The norm of infinite order is one call for all on an accelerator; on a CPU it takes ten times as long as
    the bounds. (`torch._foreach_max` would give an accelerator the bounds as well, but wrong ones: where
    tensors differ in size, zeros take part in it. pytorch/pytorch#173210)
    """
    if tensors[0].device.type == "cpu":
        return _bounds(tensors).abs().amax(dim=1)
    return torch.stack(list(torch._foreach_norm(list(tensors), torch.inf))).double()


def _bounds(tensors: Sequence[Tensor]) -> Tensor:
    """(n, 2): smallest and largest element of each tensor, float64."""
    ends = [end for tensor in tensors for end in torch.aminmax(tensor)]
    return torch.stack(ends).reshape(-1, 2).double()
