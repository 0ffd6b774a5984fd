"""Test scores per recording, from the predictions that every run keeps, where stimuli were held out whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.items import Items, Recording, same_stimuli
from ablab.data.corpus import samples
from ablab.data.datasets import holds_out_stimuli
from ablab.errors import AblabError, DataError
from ablab.scoring.aggregate import mean_of_scored
from ablab.scoring.segments import segment_pearson
from ablab.spec.record import RunRecord
from ablab.tracking.store import RunStore

FILE = "predictions.npz"


def item_scores(runs: Sequence[RunRecord], store: RunStore) -> Items | str:
    """Scores per recording of these finished runs; as text why there are none.

    Only a data set whose test recordings stand in no other split is read: of one that is split by time, the
    stimuli were heard in training.
    """
    if not runs:
        return "no analysis by items: no run of the declared contrast is finished"
    dataset = runs[0].experiment.dataset
    try:
        held_out = not dataset.accept_leakage and holds_out_stimuli(dataset)
    except DataError as error:
        return f"no analysis by items: {str(error).splitlines()[0]}"
    if not held_out:
        return "no analysis by items: the test stimuli were not held out whole"
    scores: dict[str, dict[Recording, float]] = {}
    targets: dict[Recording, NDArray[np.float64]] = {}
    for run in runs:
        n_segment = samples(run.experiment.evaluation.segment_seconds)
        try:
            file = store.artifact(run.run_id, FILE)
        except AblabError as error:
            return f"no analysis by items: {run.label} s{run.seed}: {str(error).splitlines()[0]}"
        of_run = scores.setdefault(run.run_id, {})
        with np.load(file, allow_pickle=False) as arrays:
            names = zip(arrays["subject"].tolist(), arrays["recording"].tolist(), strict=True)
            for number, recording in enumerate(names):
                target = arrays[f"target_{number}"].astype(np.float64)
                r = float(mean_of_scored(segment_pearson(arrays[f"prediction_{number}"], target, n_segment)))
                if np.isfinite(r):
                    of_run[recording] = r
                    targets.setdefault(recording, target)
    return Items(scores, same_stimuli(targets))
