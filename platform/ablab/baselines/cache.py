"""Baseline results, kept on disk per data content, so that a report never waits for them twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ablab.data import datasets
from ablab.data.json_cache import read_json, write_json
from ablab.paths import Paths
from ablab.spec.experiment import Dataset, Evaluation
from ablab.spec.identity import digest
from ablab.spec.record import SubjectScore

if TYPE_CHECKING:
    from ablab.baselines.backward import BaselineResult, Scope


def floor(
    dataset: Dataset,
    evaluation: Evaluation,
    paths: Paths,
    *,
    compute: bool,
    said: Callable[[str, float], None] = lambda subject, r: None,
    scope: Scope = "per_subject",
) -> BaselineResult | None:
    """The ridge result for this data and evaluation; without ``compute``, None where none is stored."""
    # The solver's scipy takes longer to import than a stored result to read, but the value lives there.
    from ablab.baselines import backward

    file = _file(dataset, evaluation, paths, scope, backward.VERSION)
    stored = read_json(file)
    if isinstance(stored, dict):
        subjects = tuple(SubjectScore(**score) for score in stored.pop("subjects"))
        return backward.BaselineResult(**stored, subjects=subjects)
    if not compute:
        return None
    result = backward.run(datasets.open_corpus(dataset, paths), evaluation, said, scope)
    write_json(file, asdict(result))
    return result


def identity_of(
    dataset: Dataset, evaluation: Evaluation, paths: Paths, scope: Scope, version: int
) -> dict[str, str | int | float]:
    """Everything that a result hangs on."""
    identity: dict[str, str | int | float] = {
        "version": version,
        "scope": scope,
        "data": datasets.fingerprint(dataset, paths),
        "train_fraction": dataset.train_fraction,
        "segment_seconds": evaluation.segment_seconds,
    }
    if dataset.shuffle_eeg is not None:
        identity["shuffle_eeg"] = dataset.shuffle_eeg
    return identity


def _file(dataset: Dataset, evaluation: Evaluation, paths: Paths, scope: Scope, version: int) -> Path:
    name = digest(identity_of(dataset, evaluation, paths, scope, version))[:32]
    return paths.cache / "baselines" / f"{name}.json"
