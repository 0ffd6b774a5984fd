"""Optimiser steps: forward, backward, measure, clip, move the weights; epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter

import torch

from ablab.data.corpus import Corpus
from ablab.data.windows import draw_epoch
from ablab.diagnostics.session import Diagnostics
from ablab.errors import NonFiniteLossError
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Training
from ablab.spec.trial import Trial
from ablab.training.batches import Batch, autocast, batches, subject_columns
from ablab.training.evaluate import Setting
from ablab.training.losses import loss as loss_of
from ablab.training.observer import Observer
from ablab.training.optimiser import build_optimiser, clip, gradient_norm, gradients_of, set_learning_rate
from ablab.training.schedule import factor
from ablab.training.seeds import Stream, generator


@dataclass(slots=True)
class Tally:
    """What the steps of one epoch add up to; losses count per window, as the last batch may be smaller."""

    windows: int = 0
    loss: float = 0.0
    norms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean loss of a window."""
        return self.loss / self.windows


def steps_per_epoch(trial: Trial, corpus: Corpus) -> int:
    """Optimiser steps of one epoch; the last of them takes the windows that are left."""
    experiment = trial.cell.experiment
    windows = len(corpus.train) * experiment.dataset.windows_per_recording
    return math.ceil(windows / experiment.training.batch_size)


class Steps:
    """The steps of one trial; ``done`` counts them."""

    def __init__(
        self,
        trial: Trial,
        corpus: Corpus,
        decoder: Decoder,
        setting: Setting,
        diagnostics: Diagnostics,
        observer: Observer,
    ) -> None:
        experiment = trial.cell.experiment
        self.done = 0
        self.rate = 0.0
        """Learning rate of the last step."""
        self._training = experiment.training
        self._windows_per_recording = experiment.dataset.windows_per_recording
        self._n_per_epoch = steps_per_epoch(trial, corpus)
        self._recordings = corpus.train
        self._columns = subject_columns(corpus.train, corpus.subjects)
        self._lengths = [recording.n_times for recording in corpus.train]
        self._rng = generator(trial.seed, Stream.WINDOWS)
        self._decoder = decoder
        self._setting = setting
        self._diagnostics = diagnostics
        self._observer = observer
        self._parameters = list(decoder.parameters())
        self._optimiser = build_optimiser(experiment.training, self._parameters)

    def epoch(self) -> Tally:
        """Draw an epoch's windows and do its steps."""
        started = perf_counter()
        tally = Tally()
        setting = self._setting
        index = draw_epoch(self._lengths, setting.n_window, self._windows_per_recording, self._rng)
        self._decoder.train()
        for batch in batches(
            self._recordings,
            self._columns,
            index,
            setting.n_window,
            self._training.batch_size,
            setting.device,
        ):
            loss, norm = self._step(batch)
            tally.windows += len(batch.eeg)
            tally.loss += loss * len(batch.eeg)
            tally.norms.append(norm)
        tally.seconds = perf_counter() - started
        return tally

    def _step(self, batch: Batch) -> tuple[float, float]:
        """One step: its loss, and its gradient norm before clipping, brought over in one transfer.

        The loss is computed in float32 whatever the precision of the forward pass.
        """
        training = self._training
        self.rate = training.learning_rate * factor(
            training.schedule, self.done, self._n_per_epoch, training.epochs
        )
        self.done += 1
        with autocast(training.precision, self._setting.device):
            prediction = self._decoder(batch.eeg, batch.subject)
        loss = loss_of(prediction.float(), batch.envelope, training.loss)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = gradients_of(self._parameters)
        value, norm = torch.stack([loss.detach(), gradient_norm(gradients)]).tolist()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NonFiniteLossError(_diverged(value, norm, self.done, self.rate, training))
        measured = self._diagnostics.wants(self.done)
        if measured:
            self._diagnostics.before_update(self.done)
        if training.clip_norm is not None:
            clip(gradients, norm, training.clip_norm)
        set_learning_rate(self._optimiser, self.rate)
        self._optimiser.step()
        if measured:
            self._observer.metrics(self.done, self._diagnostics.after_update(self.done))
            self._observer.histograms(self.done, self._diagnostics.histograms(self.done))
        return value, norm


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
