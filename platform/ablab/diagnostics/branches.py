"""Listens to one forward pass of a decoder: the energies of the two branches that the residual joins."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ablab.diagnostics.layout import blocks_of
from ablab.models.compiled import is_compiled


class BranchEar:
    """Hooks on the first and the last block, there for one forward pass only.

    Nothing is heard of a compiled decoder, which does not call its modules: hooks would be traced into it.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._blocks = blocks_of(model)
        self._residual: str = getattr(model, "residual", "none")
        self._handles: list[RemovableHandle] = []
        self._heard: dict[str, Tensor] = {}

    def listen(self) -> None:
        """Hear the next forward pass."""
        self._release()
        if self._residual == "none" or not self._blocks or is_compiled(self._model):
            return

        def before(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            self._heard["input"] = _energy(arguments[0])

        def behind(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            self._heard["stack"] = _energy(output)

        self._handles = [
            self._blocks[0].register_forward_pre_hook(before),
            self._blocks[-1].register_forward_hook(behind),
        ]

    def energies(self) -> Tensor:
        """(2,) mean square of the stack's and the input's branch, float64; (0,) where nothing was heard."""
        heard = self._heard
        self._release()
        if len(heard) < 2:
            return next(self._model.parameters()).new_zeros(0, dtype=torch.float64)
        stack, skipped = heard["stack"], heard["input"]
        gate: Tensor | None = getattr(getattr(self._model, "gate", None), "last", None)
        if gate is not None:
            weight = gate.double()
            stack, skipped = stack * weight.square(), skipped * (1 - weight).square()
        return torch.stack([stack.mean(), skipped.mean()])

    def _release(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._heard = [], {}


def _energy(x: Tensor) -> Tensor:
    """(batch, n_times, d_model) -> mean square over time, (batch, d_model) float64; copies nothing."""
    norms: Tensor = torch.linalg.vector_norm(x.detach(), dim=1, dtype=torch.float32)
    return norms.double().square() / x.shape[1]
