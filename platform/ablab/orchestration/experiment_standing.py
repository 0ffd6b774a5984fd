"""What one finished run amounts to, in a sentence: its test r against chance and the linear model."""

from __future__ import annotations

from ablab.baselines.cache import floor
from ablab.comparison.standing import standing
from ablab.data.datasets import fingerprint
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.identity import trial_key
from ablab.tracking.store import RunStore


def experiment_standing(
    experiment: Experiment, seed: int, *, study: str, paths: Paths, store: RunStore
) -> str | None:
    """The sentence on the finished run of an experiment under a seed; None where there is none.

    The linear model is fitted where its result is not known yet, which takes seconds to minutes. Raises
    DataError, StoreError.
    """
    key = trial_key(experiment, fingerprint(experiment.dataset, paths), seed)
    records = store.records(study)
    record = next((each for each in records if each.key == key and each.status == "finished"), None)
    if record is None or "test/pearson" not in record.metrics:
        return None
    linear = floor(experiment.dataset, experiment.evaluation, paths, compute=True)
    return standing(
        f"{experiment.name} seed {seed}",
        record.metrics["test/pearson"],
        chance=record.metrics.get("test/chance_p95"),
        ridge=None if linear is None else linear.test_pearson,
    )
