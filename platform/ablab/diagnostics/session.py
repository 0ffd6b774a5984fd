"""Diagnostics of one training run: observes now and then, and never disturbs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from ablab.diagnostics.layout import layout_of
from ablab.diagnostics.measure import Gauge
from ablab.diagnostics.presets import HISTOGRAM_EVERY, PRESETS, QUANTITIES
from ablab.diagnostics.quantity import Moment, Need, Readings
from ablab.diagnostics.state import recall, remembered
from ablab.models.decoder import Decoder


class Diagnostics:
    """Measures a decoder at step 1 and at every ``every_steps``-th step.

    Made before the first step: drift counts from the weights at this moment. A resumed run makes a new one
    and calls `restore`. Draws no random numbers, changes neither weights nor gradients. Steps count
    from 1. In each step the loop calls, in this order::

        diagnostics.before_forward(step)             # listens to the next forward pass, where due
        loss.backward()                              # and unscaling, and all-reduce
        diagnostics.clipped(norm > clip_norm)        # where gradients are clipped
        if diagnostics.wants(step): diagnostics.before_update(step)
        ...                                          # clipping and optimizer.step()
        if diagnostics.wants(step): metrics = diagnostics.after_update(step)
        histograms = diagnostics.histograms(step)    # mostly empty

    and ``end()`` after the last one. A loop that leaves out the first and the third goes without branch
    energies and clip fraction. Every call may be made in every step: where nothing is due it does nothing.
    Metrics that are not finite are left out.
    """

    def __init__(self, preset: str, every_steps: int, model: Decoder, gradient_scale: float) -> None:
        if every_steps < 1:
            raise ValueError(f"every_steps is {every_steps}; it must be at least 1")
        self._every_steps = every_steps
        self._histogram_steps = every_steps * HISTOGRAM_EVERY.get(preset, 0)
        self._parameters = dict(model.named_parameters())
        self._layout = layout_of(model, gradient_scale)
        self._named = {name: QUANTITIES[name]() for name in PRESETS[preset]}
        self._quantities = tuple(self._named.values())
        self._gauge = Gauge(model, set(chain(*(self._needs(moment) for moment in Moment))))
        self._observing: int | None = None
        self._metrics: dict[str, float] = {}
        self._gradients: tuple[int, dict[str, Tensor]] = (0, {})

    def wants(self, step: int) -> bool:
        """Whether something is measured in this step."""
        return bool(self._quantities) and (step == 1 or step % self._every_steps == 0)

    def before_forward(self, step: int) -> None:
        """Listen to the next forward pass, where this step is observed."""
        if self.wants(step):
            self._gauge.listen()

    def clipped(self, clipped: bool) -> None:
        """Count a step of a run that clips its gradients; called in every step, observed or not."""
        self._gauge.count(clipped)

    def before_update(self, step: int) -> None:
        """Read the gradients: after the backward pass, before clipping and the update."""
        if not self.wants(step):
            return
        self._observing = step
        self._metrics = self._compute(Moment.GRADIENT, step)
        self._gauge.remember_before_update()
        if self._draws(step):
            gradients = {
                f"Gradient/{name}": parameter.grad.clone()
                for name, parameter in self._parameters.items()
                if parameter.grad is not None
            }
            self._gradients = (step, gradients)

    def after_update(self, step: int) -> dict[str, float]:
        """Read the weights; return all metrics of this step, by name."""
        if self._observing != step:
            return {}
        self._observing = None
        metrics = self._metrics | self._compute(Moment.UPDATE, step)
        self._gauge.forget()
        return metrics

    def histograms(self, step: int) -> dict[str, Tensor]:
        """``Gradient/<parameter>`` before clipping and ``Weight/<parameter>`` as it is now, where due.

        Gradients are given out once; they are of this step only where ``before_update`` was called in it.
        """
        if not self._draws(step):
            return {}
        drawn, gradients = self._gradients
        self._gradients = (0, {})
        weights = {f"Weight/{name}": weight.detach() for name, weight in self._parameters.items()}
        return weights | (gradients if drawn == step else {})

    def end(self) -> dict[str, float]:
        """Final metrics: drift and weight change as they are, means over the observed steps, last values."""
        return self._compute(Moment.END, 0)

    def state(self) -> dict[str, Any]:
        """What must be kept for `restore` to go on as if never interrupted; tensors and plain values.

        Shares its tensors with the session: save it before the next step.
        """
        quantities = {name: remembered(quantity) for name, quantity in self._named.items()}
        return {"gauge": self._gauge.state(), "quantities": quantities}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; the session is a new one of the same preset and decoder."""
        self._gauge.restore(state["gauge"])
        for name, memory in state["quantities"].items():
            recall(self._named[name], memory)

    def _draws(self, step: int) -> bool:
        return self._histogram_steps > 0 and (step == 1 or step % self._histogram_steps == 0)

    def _needs(self, moment: Moment) -> set[Need]:
        return set(chain(*(quantity.needs.get(moment, ()) for quantity in self._quantities)))

    def _compute(self, moment: Moment, step: int) -> dict[str, float]:
        with torch.no_grad():
            readings = Readings(moment, step, self._layout, self._gauge.read(self._needs(moment)))
        metrics: dict[str, float] = {}
        for quantity in self._quantities:
            if moment in quantity.needs:
                metrics |= quantity.compute(readings)
        return {name: value for name, value in metrics.items() if math.isfinite(value)}
