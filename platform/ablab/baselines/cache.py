"""Baseline results, kept on disk per data content, so that a report never waits for them twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ablab.data import datasets
from ablab.data.json_cache import read_json, write_json
from ablab.paths import Paths
from ablab.spec.experiment import Dataset, Evaluation

if TYPE_CHECKING:
    from ablab.baselines.ridge import BaselineResult


def floor(
    dataset: Dataset,
    evaluation: Evaluation,
    paths: Paths,
    *,
    compute: bool,
    said: Callable[[str, float], None] = lambda subject, r: None,
) -> BaselineResult | None:
    """The ridge result for this data and evaluation; without ``compute``, None where none is stored."""
    # The solver's scipy takes longer to import than a stored result to read, but the value lives there.
    from ablab.baselines import ridge

    stored = read_json(_file(dataset, evaluation, paths, ridge.VERSION))
    if isinstance(stored, dict):
        return ridge.BaselineResult(**stored)
    if not compute:
        return None
    result = ridge.run(datasets.open_corpus(dataset, paths), evaluation, said)
    write_json(_file(dataset, evaluation, paths, ridge.VERSION), asdict(result))
    return result


def _file(dataset: Dataset, evaluation: Evaluation, paths: Paths, version: int) -> Path:
    identity = {
        "version": version,
        "data": datasets.fingerprint(dataset, paths),
        "train_fraction": dataset.train_fraction,
        "segment_seconds": evaluation.segment_seconds,
    }
    if dataset.shuffle_eeg is not None:
        identity["shuffle_eeg"] = dataset.shuffle_eeg
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    return paths.cache / "baselines" / f"{name}.json"
