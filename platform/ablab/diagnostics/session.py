"""Diagnostics of one training run: observes now and then, and never disturbs."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import Tensor

from ablab.diagnostics.layout import layout_of
from ablab.diagnostics.measure import Gauge
from ablab.diagnostics.presets import HISTOGRAM_EVERY, PRESETS, QUANTITIES
from ablab.diagnostics.quantity import Moment, Need, Readings
from ablab.models.decoder import Decoder


class Diagnostics:
    """Measures a decoder at step 1 and at every ``every_steps``-th step.

    Made before the first step, and when a run is resumed before the checkpoint is loaded: drift counts from
    the weights at this moment. Draws no random numbers, changes neither weights nor gradients. Steps count
    from 1. In each step the loop calls, in this order::

        loss.backward()                              # and unscaling, and all-reduce
        if diagnostics.wants(step): diagnostics.before_update(step)
        ...                                          # clipping and optimizer.step()
        if diagnostics.wants(step): metrics = diagnostics.after_update(step)
        histograms = diagnostics.histograms(step)    # mostly empty

    and ``end()`` after the last one. ``before_update`` and ``after_update`` may be called in every step:
    where nothing is due they do nothing. Metrics that are not finite are left out.
    """

    def __init__(self, preset: str, every_steps: int, model: Decoder, gradient_scale: float) -> None:
        if every_steps < 1:
            raise ValueError(f"every_steps is {every_steps}; it must be at least 1")
        self._every_steps = every_steps
        self._histogram_steps = every_steps * HISTOGRAM_EVERY.get(preset, 0)
        self._model = model
        self._layout = layout_of(model, gradient_scale)
        self._quantities = [QUANTITIES[name]() for name in PRESETS[preset]]
        self._gauge = Gauge(model, set(chain(*(self._needs(moment) for moment in Moment))))
        self._observing: int | None = None
        self._metrics: dict[str, float] = {}
        self._gradients: tuple[int, dict[str, Tensor]] = (0, {})

    def wants(self, step: int) -> bool:
        """Whether something is measured in this step."""
        return bool(self._quantities) and (step == 1 or step % self._every_steps == 0)

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
                for name, parameter in self._model.named_parameters()
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
        weights = {f"Weight/{name}": weight.detach() for name, weight in self._model.named_parameters()}
        return weights | (gradients if drawn == step else {})

    def end(self) -> dict[str, float]:
        """Final metrics: drift and weight change as they are now, the last and mean gradient ratio."""
        return self._compute(Moment.END, 0)

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
