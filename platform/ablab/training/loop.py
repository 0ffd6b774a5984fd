"""The training loop: epochs of steps, evaluations on validation, the best weights kept on disk.

Reads ``corpus.train`` and ``corpus.validation`` only; the test recordings are not looked at here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
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
from ablab.training.course import Best, Course
from ablab.training.distributed import ALONE, World
from ablab.training.evaluate import Setting, evaluate, window_loss
from ablab.training.health import Health
from ablab.training.latest import Latest
from ablab.training.observer import Observer
from ablab.training.restart import Restart
from ablab.training.saving import Saving
from ablab.training.seeds import Stream, seed_torch
from ablab.training.steps import Steps, Tally

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves behind, beside the checkpoint."""

    best_epoch: int
    epochs: int
    """Epochs trained; fewer than asked for where training stopped early."""
    validation: Scores
    """At the best epoch."""
    train_loss: float
    """Mean over the windows of the last epoch."""
    windows_per_second: float
    """Over all steps; evaluations do not count."""
    seconds_before: float
    """Spent on the trial before the state that this process went on from."""
    diagnostics: Mapping[str, float]
    """What the diagnostics say of the whole of training."""


def never() -> bool:
    """Nobody asks a trial to stop."""
    return False


def train(
    trial: Trial,
    corpus: Corpus,
    decoder: Decoder,
    setting: Setting,
    best_file: Path,
    observer: Observer,
    *,
    world: World = ALONE,
    restart: Restart | None = None,
    asked_to_stop: Callable[[], bool] = never,
) -> Trained:
    """Train ``decoder`` in place; ``best_file`` holds the weights of the best evaluation afterwards.

    Best is the highest validation r, the earliest where several are equal. With ``restart`` the state is
    saved in its folder, and where it holds one, training goes on from there.

    asked_to_stop: asked between steps; where it says yes, the state is saved and KeyboardInterrupt raised.
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
    steps = Steps(trial, corpus, decoder, setting, diagnostics, latest, world)
    seed_torch(trial.seed, Stream.DROPOUT, world.rank)
    course = Course()
    saving = Saving(
        restart,
        training.checkpoint_minutes,
        asked_to_stop,
        decoder,
        steps,
        diagnostics,
        health,
        latest,
        world,
    )
    if restart is not None and restart.state is not None:
        course = saving.restore(restart.state, setting.device)
        if world.is_first:
            _keep(best_file, trial, corpus, course.best)
        log.info(f"goes on from step {steps.done} (epoch {course.epoch} of {training.epochs} is done)")
    while not course.is_over(training):
        tally = steps.epoch(lambda: saving.after_step(course))
        epoch = course.epoch + 1
        _report(latest, steps, tally)
        if epoch % training.evaluate_every and epoch != training.epochs:
            course.end_epoch(tally)
            steps.end_epoch()
        else:
            with saving.on_interruption(course):
                scores, measured = _validate(corpus, decoder, setting, training.loss, epoch)
            course.end_epoch(tally)
            steps.end_epoch()
            latest.metrics(steps.done, measured)
            log.info(
                f"epoch {epoch}/{training.epochs} step {steps.done}: train loss {course.train_loss:.4f}, "
                f"validation r {scores.mean:.4f}"
            )
            for text in health.at_evaluation(epoch=epoch, validation_r=scores.mean, norms=course.norms):
                latest.warning(text)
            course.end_evaluation(steps.done, scores, decoder)
            if course.since_best == 0 and world.is_first:
                _keep(best_file, trial, corpus, course.best)
            if course.is_stopped(training):
                log.info(f"stopped early: validation r has not risen for {course.since_best} evaluations")
            saving.now(course)
        observer.progress(epoch, training.epochs, steps.done, latest.values)
    assert course.best is not None  # epochs >= 1, and the last is always evaluated
    return Trained(
        best_epoch=course.best.epoch,
        epochs=course.epoch,
        validation=course.best.scores,
        train_loss=course.train_loss,
        windows_per_second=course.windows / course.step_seconds,
        seconds_before=saving.seconds_before,
        diagnostics=diagnostics.end(),
    )


def _report(latest: Latest, steps: Steps, tally: Tally) -> None:
    latest.metrics(
        steps.done,
        {
            "train/loss": tally.mean_loss,
            "gradient/norm": sum(tally.norms) / len(tally.norms),
            "learning_rate": steps.rate,
            "throughput/windows_per_second": tally.windows / tally.seconds,
            "throughput/data_wait_share": tally.waited / tally.seconds,
        },
    )


def _keep(file: Path, trial: Trial, corpus: Corpus, best: Best | None) -> None:
    if best is None:
        return
    facts = checkpoint.Facts(
        key=trial.key,
        epoch=best.epoch,
        step=best.step,
        validation_pearson=best.scores.mean,
        experiment=trial.cell.experiment.model_dump_json(),
        n_chans=corpus.n_chans,
        subjects=corpus.subjects,
        seed=trial.seed,
    )
    checkpoint.save(file, facts, best.weights)


def _validate(
    corpus: Corpus, decoder: Decoder, setting: Setting, loss: Loss, epoch: int
) -> tuple[Scores, dict[str, float]]:
    done = evaluate(decoder, corpus.validation, setting, f"validation after epoch {epoch}")
    if math.isnan(done.scores.mean):
        raise DataError([Problem("validation", None, "", "the envelope of every segment is constant")])
    measured = {"validation/pearson": done.scores.mean}
    value = window_loss(done.predictions, corpus.validation, setting.n_window, loss)
    return done.scores, measured if value is None else {**measured, "validation/loss": value}
