"""A checkpoint file, without its run: what its weights say, and its gradients where the data are there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ablab.data.corpus import Corpus, samples
from ablab.diagnostics.session import Diagnostics
from ablab.errors import InputError, NotFoundError
from ablab.models.build import build_model
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Experiment
from ablab.training.batches import batches, subject_columns
from ablab.training.checkpoint import Checkpoint, load
from ablab.training.contribution import evenly_spaced
from ablab.training.losses import loss
from ablab.training.seeds import Stream, seed_torch

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Examined:
    """What a checkpoint file says."""

    key: str
    experiment: Experiment
    metrics: Mapping[str, float]
    notes: tuple[str, ...]


def read(file: Path) -> tuple[Checkpoint, Experiment]:
    """The checkpoint and the spec in it; NotFoundError or InputError where it is none."""
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file")
    try:
        checkpoint = load(file)
        return checkpoint, Experiment.model_validate_json(checkpoint.facts.experiment)
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"{file}: no checkpoint of ablab ({first}); a run's is its artifact best.pt"
        ) from error


def examine(checkpoint: Checkpoint, experiment: Experiment, corpus: Corpus | None) -> Examined:
    """Drift from the first weights, drawn again from the trial's seed; gradients of one training batch.

    The same quantities under the same names as in training, with one difference: they are of the checkpoint,
    where a run's are of its last observed step. corpus: None leaves the gradients out.
    """
    facts = checkpoint.facts
    notes = []
    with torch.random.fork_rng(devices=[]):
        if facts.seed is not None:
            seed_torch(facts.seed, Stream.INITIALISATION)
        decoder = build_model(experiment.model, experiment.improvements, facts.n_chans, len(facts.subjects))
        session = Diagnostics("cheap", 1, decoder, experiment.improvements.gradient_scale)
        decoder.load_state_dict(checkpoint.weights)
        metrics: dict[str, float] = {}
        if corpus is None:
            notes.append("no gradients: the data are not at hand, or not those that it was trained on")
        else:
            seed_torch(facts.seed or 0, Stream.DROPOUT)
            metrics |= _gradients(decoder, session, experiment, corpus)
            notes.append("gradients are of one batch of training windows at these weights")
        metrics |= {name: value for name, value in session.end().items() if "update_ratio" not in name}
    if facts.seed is None:
        notes.append("no drift: the file does not say under which seed its first weights were drawn")
        metrics = {name: value for name, value in metrics.items() if not name.startswith("weights/")}
    metrics.pop("weights/guide_change", None)  # it counts from step 100, which a checkpoint does not hold
    return Examined(
        facts.key,
        experiment,
        {
            **metrics,
            "validation/pearson": facts.validation_pearson,
            "best_epoch": float(facts.epoch),
        },
        tuple(notes),
    )


def _gradients(
    decoder: Decoder, session: Diagnostics, experiment: Experiment, corpus: Corpus
) -> dict[str, float]:
    n_times, size = samples(experiment.dataset.window_seconds), experiment.training.batch_size
    index = evenly_spaced([recording.n_times for recording in corpus.train], n_times, size)
    spread = torch.linspace(0, len(index) - 1, min(size, len(index))).long().numpy()
    chosen = type(index)(index.recording[spread], index.start[spread])
    columns = subject_columns(corpus.train, corpus.subjects)
    decoder.train()
    (batch,) = batches(corpus.train, columns, chosen, n_times, size, torch.device("cpu"))
    session.before_forward(1)
    prediction = decoder(batch.eeg, batch.subject)
    loss(prediction, batch.envelope, experiment.training.loss).backward()  # type: ignore[no-untyped-call]
    session.before_update(1)
    return {name: value for name, value in session.after_update(1).items() if "update_ratio" not in name}
