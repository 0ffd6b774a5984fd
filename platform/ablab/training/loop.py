"""The training loop: epochs of steps, evaluations on validation, the best weights kept on disk.

Reads ``corpus.train`` and ``corpus.validation`` only; the test recordings are not looked at here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablab.data.corpus import Corpus
from ablab.diagnostics.session import Diagnostics
from ablab.errors import DataError, Problem
from ablab.models.decoder import Decoder
from ablab.scoring.aggregate import Scores
from ablab.spec.experiment import Loss
from ablab.spec.trial import Trial
from ablab.training import checkpoint
from ablab.training.evaluate import Setting, evaluate, window_loss
from ablab.training.health import Health
from ablab.training.latest import Latest
from ablab.training.observer import Observer
from ablab.training.seeds import Stream, seed_torch
from ablab.training.steps import Steps

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves behind, beside the checkpoint."""

    best_epoch: int
    validation: Scores
    """At the best epoch."""
    train_loss: float
    """Mean over the windows of the last epoch."""
    windows_per_second: float
    """Over all steps; evaluations do not count."""
    diagnostics: Mapping[str, float]
    """What the diagnostics say of the whole of training."""


def train(
    trial: Trial, corpus: Corpus, decoder: Decoder, setting: Setting, best_file: Path, observer: Observer
) -> Trained:
    """Train ``decoder`` in place; ``best_file`` holds the weights of the best evaluation afterwards.

    Best is the highest validation r, the earliest where several are equal.
    """
    experiment = trial.cell.experiment
    training = experiment.training
    latest, health = Latest(observer), Health()
    diagnostics = Diagnostics(
        experiment.diagnostics.preset,
        experiment.diagnostics.every_steps,
        decoder,
        experiment.improvements.gradient_scale,
    )
    steps = Steps(trial, corpus, decoder, setting, diagnostics, latest)
    seed_torch(trial.seed, Stream.DROPOUT)
    best: tuple[int, Scores] | None = None
    norms: list[float] = []
    windows, seconds, train_loss = 0, 0.0, float("nan")
    for epoch in range(1, training.epochs + 1):
        tally = steps.epoch()
        windows, seconds, train_loss = windows + tally.windows, seconds + tally.seconds, tally.mean_loss
        norms += tally.norms
        latest.metrics(
            steps.done,
            {
                "train/loss": train_loss,
                "gradient/norm": sum(tally.norms) / len(tally.norms),
                "learning_rate": steps.rate,
                "throughput/windows_per_second": tally.windows / tally.seconds,
            },
        )
        if epoch % training.evaluate_every == 0 or epoch == training.epochs:
            scores, measured = _validate(corpus, decoder, setting, training.loss, epoch)
            latest.metrics(steps.done, measured)
            log.info(
                f"epoch {epoch}/{training.epochs} step {steps.done}: train loss {train_loss:.4f}, "
                f"validation r {scores.mean:.4f}"
            )
            if best is None or scores.mean > best[1].mean:
                best = epoch, scores
                facts = checkpoint.Facts(
                    key=trial.key,
                    epoch=epoch,
                    step=steps.done,
                    validation_pearson=scores.mean,
                    experiment=experiment.model_dump_json(),
                    n_chans=corpus.n_chans,
                    subjects=corpus.subjects,
                )
                checkpoint.save(best_file, facts, decoder.state_dict())
            for text in health.at_evaluation(epoch=epoch, validation_r=scores.mean, norms=norms):
                latest.warning(text)
            norms = []
        observer.progress(epoch, training.epochs, steps.done, latest.values)
    assert best is not None  # epochs >= 1, and the last is always evaluated
    return Trained(best[0], best[1], train_loss, windows / seconds, diagnostics.end())


def _validate(
    corpus: Corpus, decoder: Decoder, setting: Setting, loss: Loss, epoch: int
) -> tuple[Scores, dict[str, float]]:
    done = evaluate(decoder, corpus.validation, setting, f"validation after epoch {epoch}")
    if math.isnan(done.scores.mean):
        raise DataError([Problem("validation", None, "", "the envelope of every segment is constant")])
    measured = {"validation/pearson": done.scores.mean}
    value = window_loss(done.predictions, corpus.validation, setting.n_window, loss)
    return done.scores, measured if value is None else {**measured, "validation/loss": value}
