"""Optimiser steps: forward, backward, measure, clip, move the weights; epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ablab.data.corpus import Corpus
from ablab.data.windows import WindowIndex, draw_epoch
from ablab.diagnostics.session import Diagnostics
from ablab.errors import NonFiniteLossError
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Training
from ablab.spec.trial import Trial
from ablab.training.batches import Batch, autocast, batches, subject_columns, timed
from ablab.training.distributed import ALONE, World
from ablab.training.evaluate import Setting
from ablab.training.losses import loss as loss_of
from ablab.training.observer import Observer
from ablab.training.optimiser import build_optimiser, clip, gradient_norm, gradients_of, set_learning_rate
from ablab.training.parameter_groups import parameter_groups
from ablab.training.replay import Replay
from ablab.training.residency import shelve
from ablab.training.schedule import factor
from ablab.training.seeds import Stream, generator
from ablab.training.shards import training_share


@dataclass(slots=True)
class Tally:
    """What the steps of one epoch add up to; losses count per window, as the last batch may be smaller."""

    windows: int = 0
    loss: float = 0.0
    norms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    """Of these seconds, those in which the loop waited for its next batch."""

    def wait(self, seconds: float) -> None:
        """Count a wait."""
        self.waited += seconds

    @property
    def mean_loss(self) -> float:
        """Mean loss of a window."""
        return self.loss / self.windows


def steps_per_epoch(trial: Trial, corpus: Corpus, world: World = ALONE) -> int:
    """Optimiser steps of one epoch; the last of them takes the windows that are left.

    Several processes share the windows out, and each takes ``batch_size`` of them in a step.
    """
    experiment = trial.cell.experiment
    windows = len(corpus.train) * experiment.dataset.windows_per_recording
    return math.ceil(windows / (experiment.training.batch_size * world.size))


class Steps:
    """The steps of one trial; ``done`` counts them. It can be left between two steps, and gone on with."""

    def __init__(
        self,
        trial: Trial,
        corpus: Corpus,
        decoder: Decoder,
        setting: Setting,
        diagnostics: Diagnostics,
        observer: Observer,
        world: World = ALONE,
    ) -> None:
        experiment = trial.cell.experiment
        self.done = 0
        self.rate = 0.0
        """Learning rate of the last step."""
        self.tally = Tally()
        """Of the epoch so far."""
        self._training = experiment.training
        self._windows_per_recording = experiment.dataset.windows_per_recording
        self._n_per_epoch = steps_per_epoch(trial, corpus, world)
        self._recordings = shelve(
            corpus.train, experiment.dataset.residency, setting.device, setting.gpu_share
        )
        self._columns = subject_columns(corpus.train, corpus.subjects)
        self._lengths = [recording.n_times for recording in corpus.train]
        self._rng = generator(trial.seed, Stream.WINDOWS)
        self._epoch_began_at: Mapping[str, Any] = self._rng.bit_generator.state
        """Where the generator stood before this epoch's windows were drawn."""
        self._done_before_epoch = 0
        self._decoder = decoder
        self._world = world
        self._module = world.wrap(decoder)
        self._setting = setting
        self._diagnostics = diagnostics
        self._observer = observer
        self._parameters = list(decoder.parameters())
        # Not for several processes, whose gradients are exchanged within the backward pass.
        alone = setting.device.type == "cuda" and world.size == 1
        replays = experiment.training.compile and alone and decoder.is_replayable
        self._replay = Replay(decoder) if replays else None
        self._optimiser = build_optimiser(
            experiment.training,
            parameter_groups(decoder, experiment.training.layer_rates, experiment.training.weight_decay),
        )

    def epoch(self, after_step: Callable[[], None]) -> Tally:
        """Draw an epoch's windows and do its steps, or those that are left of it; `end_epoch` closes it.

        Every process draws the same windows and takes its share of each step. Returns what all of them count.
        after_step: called between steps; what it raises leaves a state that can be gone on with.
        """
        setting, batch_size = self._setting, self._training.batch_size
        drawn = self._draw()
        share = training_share(len(drawn), batch_size, self._world.rank, self._world.size)
        done = self.done - self._done_before_epoch
        index = drawn[share.windows[done * batch_size :]]
        self._decoder.train()
        began = perf_counter()
        own = batches(self._recordings, self._columns, index, setting.n_window, batch_size, setting.device)
        for batch, weight in zip(timed(own, self.tally.wait), share.weights[done:].tolist(), strict=True):
            loss, norm = self._step(batch, weight)
            if weight:
                self.tally.windows += len(batch.eeg)
                self.tally.loss += loss * len(batch.eeg)
            self.tally.norms.append(norm)
            self.tally.seconds += perf_counter() - began
            after_step()
            began = perf_counter()
        return self._joined()

    def end_epoch(self) -> None:
        """Make the next call of `epoch` begin a new one."""
        self._epoch_began_at = self._rng.bit_generator.state
        self._done_before_epoch = self.done
        self.tally = Tally()

    def state(self) -> dict[str, Any]:
        """What all processes have in common. Shares the optimiser's tensors: save it before the next step."""
        return {"done": self.done, "rate": self.rate, "optimiser": self._optimiser.state_dict()}

    def own_state(self) -> dict[str, Any]:
        """What is this process's own: its windows, and what it counts."""
        return {
            "epoch_began_at": self._epoch_began_at,
            "done_before_epoch": self._done_before_epoch,
            "tally": asdict(self.tally),
        }

    def restore(self, state: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Go on where `state` and `own_state` were taken."""
        self.done, self.rate = state["done"], state["rate"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._epoch_began_at = own["epoch_began_at"]
        self._done_before_epoch = own["done_before_epoch"]
        self.tally = Tally(**own["tally"])
        self._rng.bit_generator.state = dict(self._epoch_began_at)

    def _draw(self) -> WindowIndex:
        self._rng.bit_generator.state = dict(self._epoch_began_at)
        return draw_epoch(self._lengths, self._setting.n_window, self._windows_per_recording, self._rng)

    def _joined(self) -> Tally:
        """The tally of all processes; the gradients, and so their norms, are the same in each."""
        counts = self._world.gather((self.tally.windows, self.tally.loss))
        return replace(
            self.tally,
            windows=sum(windows for windows, _ in counts),
            loss=sum(loss for _, loss in counts),
        )

    def _step(self, batch: Batch, weight: float) -> tuple[float, float]:
        """One step: its loss, and its gradient norm before clipping, brought over in one transfer."""
        training = self._training
        self.rate = training.learning_rate * factor(
            training.schedule, self.done, self._n_per_epoch, training.epochs
        )
        step = self.done + 1
        self._diagnostics.before_forward(step)
        if self._replay is None:
            found = self._loss_and_norm(batch, weight)
        else:
            found = self._replay(self._loss_and_norm, batch)
        value, norm = found.tolist()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NonFiniteLossError(_diverged(value, norm, step, self.rate, training))
        if training.clip_norm is not None:
            self._diagnostics.clipped(norm > training.clip_norm)
        observed = self._diagnostics.wants(step)
        if observed:
            self._diagnostics.before_update(step)
        if training.clip_norm is not None:
            clip(gradients_of(self._parameters), norm, training.clip_norm)
        set_learning_rate(self._optimiser, self.rate)
        self._optimiser.step()
        self.done = step
        if observed:
            self._observer.metrics(step, self._diagnostics.after_update(step))
            self._observer.histograms(step, self._diagnostics.histograms(step))
        return value, norm

    def _loss_and_norm(self, batch: Batch, weight: float = 1) -> Tensor:
        """Forward and backward pass; loss and gradient norm stay on the device.

        The loss is computed in float32 whatever the precision of the forward pass. ``weight`` makes the mean
        of the processes' gradients that of all windows of the step.
        """
        with autocast(self._training.precision, self._setting.device):
            prediction = self._module(batch.eeg, batch.subject)
        loss = loss_of(prediction.float(), batch.envelope, self._training.loss)
        self._optimiser.zero_grad(set_to_none=True)
        (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss.detach(), gradient_norm(gradients_of(self._parameters))])


def _diverged(value: float, norm: float, step: int, rate: float, training: Training) -> str:
    what = "gradient norm" if math.isfinite(value) else "loss"
    clipping = (
        "training.clip_norm=1.0"
        if training.clip_norm is None
        else f"a training.clip_norm below {training.clip_norm:g}"
    )
    return (
        f"the {what} is not finite at step {step}: loss {value:.4g}, learning rate {rate:.3g}, "
        f"gradient norm {norm:.3g}; try {clipping} or a lower training.learning_rate"
    )
