"""Predictions of a finished run, made again from its checkpoint and its data, as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from ablab.data.corpus import Corpus, Recording
from ablab.data.datasets import open_corpus
from ablab.errors import InputError, NotFoundError
from ablab.paths import Paths
from ablab.scoring.aggregate import Scores
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import trial_key
from ablab.spec.load import with_values
from ablab.spec.overrides import SOURCE, parse_override
from ablab.tracking.store import RunState, RunStore
from ablab.training.artifacts import refuse_existing, write_prediction_folder, write_predictions
from ablab.training.checkpoint import Checkpoint, load
from ablab.training.prediction import predict_recordings

Split = Literal["test", "validation", "train"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    state: RunState
    out: Path
    n_recordings: int
    scores: Scores
    notices: tuple[str, ...]
    """Where the data are not those of the run."""


def export_predictions(
    run: str,
    out: Path,
    *,
    paths: Paths,
    store: RunStore,
    split: Split = "test",
    overrides: Sequence[str] = (),
    force: bool = False,
    device: str = "auto",
) -> Exported:
    """Decode one split with the run's best checkpoint and write predictions and targets to ``out``.

    run: run id, or the beginning of its key (6 digits or more). out: an ``.npz`` file, or a folder for one
    ``.npy`` file per recording; it is whole or not there. overrides: ``dataset.`` keys alone, such as a
    folder that was moved. force: replace what an earlier call wrote.
    """
    refuse_existing(out, force)
    values = _dataset_values(overrides)
    state = store.find(run)
    best = _checkpoint(state, store)
    experiment = _experiment(best, state)
    if values:
        experiment = with_values(experiment, values, SOURCE)
    corpus = open_corpus(experiment.dataset, paths)
    recordings = _recordings(corpus, split)
    got = predict_recordings(best, experiment, recordings, device)
    if out.suffix == ".npz":
        out.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(out, recordings, got.predictions)
    else:
        write_prediction_folder(out, recordings, got.predictions, "val" if split == "validation" else split)
    notices = _notices(state, experiment, corpus, got.scores)
    return Exported(state, out, len(recordings), got.scores, notices)


def _dataset_values(overrides: Sequence[str]) -> Mapping[str, Level]:
    values = dict(parse_override(text) for text in overrides)
    for key in values:
        if not key.startswith("dataset."):
            raise InputError(
                f"{SOURCE}: {key}: the decoder is the run's own; only keys of 'dataset' can be set here"
            )
    return values


def _checkpoint(state: RunState, store: RunStore) -> Checkpoint:
    try:
        file = store.artifact(state.run_id, "best.pt")
    except NotFoundError as error:
        raise NotFoundError(
            f"{state.cell} seed {state.seed} is {state.status} and has no checkpoint; finished runs have one"
        ) from error
    try:
        return load(file)
    except ValueError as error:
        raise InputError(str(error)) from error


def _experiment(best: Checkpoint, state: RunState) -> Experiment:
    try:
        return Experiment.model_validate_json(best.facts.experiment)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"run {state.run_id}: the spec in its checkpoint cannot be read by this version "
            f"({where}: {first['msg']})"
        ) from error


def _recordings(corpus: Corpus, split: Split) -> tuple[Recording, ...]:
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return parts[split]


def _notices(state: RunState, experiment: Experiment, corpus: Corpus, scores: Scores) -> tuple[str, ...]:
    notices = []
    if trial_key(experiment, corpus.fingerprint, state.seed) != state.key:
        notices.append("the data, or how they are cut, are not those that the run was trained and scored on")
    if scores.unseen:
        names = ", ".join(sorted(scores.unseen)[:8])
        notices.append(f"decoded with the mean subject embedding, for want of training data: {names}")
    return tuple(notices)
