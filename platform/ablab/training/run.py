"""One trial, from its spec to its scores. Knows no store: an observer is told, and files stay in a folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from ablab.data.corpus import SFREQ, Corpus, samples
from ablab.errors import DataError, InputError, Problem
from ablab.models.build import build_model
from ablab.scoring.aggregate import Scores
from ablab.scoring.chance import ChanceNull, circular_shift_null
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial
from ablab.training import checkpoint
from ablab.training.artifacts import write_predictions, write_subjects
from ablab.training.evaluate import Setting, evaluate
from ablab.training.loop import train
from ablab.training.losses import check_window
from ablab.training.observer import Observer
from ablab.training.seeds import Stream, generator, reproducible, seed_torch
from ablab.training.steps import steps_per_epoch

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished trial hands back."""

    metrics: Mapping[str, float]
    """Final values: ``test/pearson``, ``validation/pearson`` (both at the best checkpoint) ..."""
    subjects: tuple[SubjectScore, ...]
    artifacts: tuple[Path, ...]
    """Files in the trial's folder worth keeping: best.pt, per_subject.csv, predictions.npz."""


def run(trial: Trial, corpus: Corpus, folder: Path, observer: Observer, *, device: str = "auto") -> Outcome:
    """Train the trial's decoder, then score the best checkpoint on test, once.

    On a CPU the same trial gives the same bits at the same ``training.threads``, whatever observes it. The
    test recordings are first read when training is over. Raises NonFiniteLossError where training diverges.

    device: ``auto`` (a GPU where there is one), or any name torch knows.
    """
    started = perf_counter()
    experiment = trial.cell.experiment
    setting = _setting(trial, corpus, device)
    _check(trial, corpus, setting)
    folder.mkdir(parents=True, exist_ok=True)
    best_file = folder / "best.pt"
    with reproducible(experiment.training.threads, setting.device):
        seed_torch(trial.seed, Stream.INITIALISATION)
        decoder = build_model(
            experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects)
        ).to(setting.device)
        n_parameters = sum(parameter.numel() for parameter in decoder.parameters())
        observer.begin(
            {
                "model/parameters": n_parameters,
                "device": str(setting.device),
                "threads": experiment.training.threads,
                "epochs": experiment.training.epochs,
                "steps": steps_per_epoch(trial, corpus) * experiment.training.epochs,
            }
        )
        trained = train(trial, corpus, decoder, setting, best_file, observer)
        decoder.load_state_dict(checkpoint.load(best_file).weights)
        test = evaluate(decoder, corpus.test, setting, f"test after epoch {trained.best_epoch}")
    chance = circular_shift_null(
        test.predictions,
        [recording.envelope[:, 0] for recording in corpus.test],
        [recording.subject for recording in corpus.test],
        setting.n_segment,
        n_window=setting.n_window,
        rng=generator(trial.seed, Stream.CHANCE),
    )
    _report_left_out(trained.validation, test.scores, observer)
    subjects = _subjects(test.scores, trained.validation, chance)
    artifacts = best_file, folder / "per_subject.csv", folder / "predictions.npz"
    write_subjects(artifacts[1], subjects)
    write_predictions(artifacts[2], corpus.test, test.predictions)
    metrics = {
        **trained.diagnostics,
        "test/pearson": test.scores.mean,
        "test/chance_p95": chance.group_p95,
        "validation/pearson": trained.validation.mean,
        "best_epoch": float(trained.best_epoch),
        "train/loss": trained.train_loss,
        "throughput/windows_per_second": trained.windows_per_second,
        "model/parameters": float(n_parameters),
        "seconds": perf_counter() - started,
    }
    return Outcome(
        {name: value for name, value in metrics.items() if math.isfinite(value)}, subjects, artifacts
    )


def find_device(name: str) -> torch.device:
    """The device of this name; ``auto`` is the first GPU where torch sees one, else the CPU.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as problem:
        first = str(problem).partition("\n")[0]
        raise InputError(f"device {name!r} cannot be used ({first}); use 'auto' or 'cpu'") from problem
    return device


def _setting(trial: Trial, corpus: Corpus, device: str) -> Setting:
    experiment = trial.cell.experiment
    return Setting(
        n_window=samples(experiment.dataset.window_seconds),
        n_segment=samples(experiment.evaluation.segment_seconds),
        batch_size=experiment.training.batch_size,
        precision=experiment.training.precision,
        device=find_device(device),
        subjects=corpus.subjects,
    )


def _check(trial: Trial, corpus: Corpus, setting: Setting) -> None:
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    empty = [name for name, recordings in parts.items() if not recordings]
    if empty:
        raise DataError(
            [
                Problem("dataset", None, name, "no recordings; training needs all three splits")
                for name in empty
            ]
        )
    lengths = {"dataset.window_seconds": setting.n_window, "evaluation.segment_seconds": setting.n_segment}
    for key, length in lengths.items():
        if length < 2:
            raise InputError(
                f"{key}: {length} samples at {SFREQ} Hz, and a correlation needs 2; make it longer"
            )
    check_window(trial.cell.experiment.training.loss, setting.n_window)


def _report_left_out(validation: Scores, test: Scores, observer: Observer) -> None:
    for name, scores in (("validation", validation), ("test", test)):
        if scores.n_left_out:
            text = f"{name}: {scores.n_left_out} segments left out of r, because their envelope is constant"
            log.warning(text)
            observer.warning(text)


def _subjects(test: Scores, validation: Scores, chance: ChanceNull) -> tuple[SubjectScore, ...]:
    table = []
    for subject, score in test.subjects.items():
        seen = validation.subjects.get(subject)
        table.append(
            SubjectScore(
                subject=subject,
                n_recordings=score.n_recordings,
                n_segments=score.n_segments,
                validation=None if seen is None or math.isnan(seen.r) else seen.r,
                test=score.r,
                chance_mean=chance.subject_mean[subject],
                chance_p95=chance.subject_p95[subject],
            )
        )
    return tuple(table)
