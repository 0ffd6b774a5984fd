"""One trial, from its spec to its scores. Knows no store: an observer is told, and files stay in a folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from ablab.data.corpus import SFREQ, Corpus, samples
from ablab.errors import DataError, InputError, Problem
from ablab.models.build import build_model
from ablab.models.compiled import compile_decoder
from ablab.scoring.aggregate import Scores
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial
from ablab.training import checkpoint
from ablab.training.artifacts import write_predictions, write_subjects
from ablab.training.contribution import contribution
from ablab.training.distributed import ALONE, World
from ablab.training.evaluate import Setting, evaluate
from ablab.training.loop import never, train
from ablab.training.losses import check_window
from ablab.training.memory import begin_peak, peak_mib
from ablab.training.observer import Observer
from ablab.training.protocols import measure, write_lines
from ablab.training.restart import Restart
from ablab.training.seeds import Stream, generator, reproducible, seed_torch
from ablab.training.steps import steps_per_epoch
from ablab.training.subject_table import subject_table

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished trial hands back."""

    metrics: Mapping[str, float]
    """Final values: ``test/pearson``, ``validation/pearson`` (both at the best checkpoint) ..."""
    subjects: tuple[SubjectScore, ...]
    artifacts: tuple[Path, ...]
    """Files in the trial's folder worth keeping: best.pt, per_subject.csv, predictions.npz, protocols.csv."""


def run(
    trial: Trial,
    corpus: Corpus,
    folder: Path,
    observer: Observer,
    *,
    device: str = "auto",
    gpu_share: float = 1.0,
    world: World = ALONE,
    restart: Restart | None = None,
    asked_to_stop: Callable[[], bool] = never,
) -> Outcome:
    """Train the trial's decoder, then score the best checkpoint on test, once.

    On a CPU the same trial gives the same bits at the same ``training.threads``, whatever observes it. The
    test recordings are first read when training is over. Raises NonFiniteLossError where training diverges.

    device: ``auto`` (a GPU where there is one), or any name torch knows.
    gpu_share: of the GPU's memory, what it may count on: less than all where trials share one.
    world: the processes that train it together; each calls this, the first writes the files, and all return
    the same but for times.
    restart: where the state is kept while training, and what to go on from; None keeps none.
    asked_to_stop: asked between training steps; where it says yes, the state is saved and KeyboardInterrupt
    raised. A trial that goes on from a state ends with the same bits as one that was never interrupted.
    """
    started = perf_counter()
    experiment = trial.cell.experiment
    setting = _setting(trial, corpus, device, gpu_share, world)
    _check(trial, corpus, setting)
    folder.mkdir(parents=True, exist_ok=True)
    best_file = folder / "best.pt"
    begin_peak(setting.device)
    with reproducible(experiment.training.threads, setting.device):
        seed_torch(trial.seed, Stream.INITIALISATION)
        decoder = build_model(
            experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects)
        ).to(setting.device)
        if experiment.training.compile:
            compile_decoder(decoder)
        n_parameters = sum(parameter.numel() for parameter in decoder.parameters())
        observer.begin(
            {
                "model/parameters": n_parameters,
                "device": str(setting.device),
                "threads": experiment.training.threads,
                "processes": world.size,
                "training/effective_batch": experiment.training.batch_size * world.size,
                "epochs": experiment.training.epochs,
                "steps": steps_per_epoch(trial, corpus, world) * experiment.training.epochs,
            }
        )
        for notice in restart.notices if restart is not None else ():
            log.warning(notice)
            observer.warning(notice)
        trained = train(
            trial,
            corpus,
            decoder,
            setting,
            best_file,
            observer,
            world=world,
            restart=restart,
            asked_to_stop=asked_to_stop,
        )
        world.wait()  # for the first process, which writes the file
        decoder.load_state_dict(checkpoint.load(best_file).weights)
        bypassed = contribution(
            decoder, corpus, setting, experiment.diagnostics.preset, trained.validation.mean
        )
        test = evaluate(decoder, corpus.test, setting, f"test after epoch {trained.best_epoch}")
    table = subject_table(
        test, corpus.test, trained.validation, setting, generator(trial.seed, Stream.CHANCE)
    )
    _report_left_out(trained.validation, test.scores, observer)
    asked = experiment.evaluation.protocols
    found = measure(asked, test.predictions, corpus.test, test.scores.unseen)
    for note in found.notes:
        log.warning(note)
        observer.warning(note)
    artifacts = [best_file, folder / "per_subject.csv", folder / "predictions.npz"]
    artifacts += [folder / "protocols.csv"] if asked else []
    if world.is_first:
        write_subjects(artifacts[1], table.subjects)
        if asked:
            write_lines(artifacts[3], found.lines)
        write_predictions(artifacts[2], corpus.test, test.predictions)
    metrics = {
        **trained.diagnostics,
        **bypassed,
        **table.metrics,
        **found.metrics,
        "best_epoch": float(trained.best_epoch),
        "epochs_trained": float(trained.epochs),
        "train/loss": trained.train_loss,
        "throughput/windows_per_second": trained.windows_per_second,
        "memory/peak_mib": peak_mib(setting.device),
        "model/parameters": float(n_parameters),
        "seconds": trained.seconds_before + perf_counter() - started,
    }
    return Outcome(
        {name: value for name, value in metrics.items() if math.isfinite(value)},
        table.subjects,
        tuple(artifacts),
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
        raise InputError(f"device {name!r} cannot be used ({first}); --device cpu goes without") from problem
    return device


def _setting(trial: Trial, corpus: Corpus, device: str, gpu_share: float, world: World) -> Setting:
    experiment = trial.cell.experiment
    return Setting(
        n_window=samples(experiment.dataset.window_seconds),
        n_segment=samples(experiment.evaluation.segment_seconds),
        batch_size=experiment.training.batch_size,
        precision=experiment.training.precision,
        device=find_device(device),
        subjects=corpus.subjects,
        world=world,
        gpu_share=gpu_share,
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
    for name in ("validation", "test"):
        if not {recording.subject for recording in parts[name]} & set(corpus.subjects):
            reason = (
                "no subject of it has training data; decoders are chosen and compared by the subjects that "
                "they were trained on, and others are reported apart, so at least one is needed"
            )
            raise DataError([Problem("dataset", None, name, reason)])
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
