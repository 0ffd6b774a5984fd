"""The linear baseline of an experiment's data: fitted once, kept for comparisons, recorded as a run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from ablab.baselines.backward import VERSION, BaselineResult, Scope
from ablab.baselines.cache import floor, identity_of
from ablab.baselines.ridge import N_LAGS, PENALTIES
from ablab.data.corpus import SFREQ
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.identity import digest
from ablab.tracking.store import BaselineRun, RunStore

NAMES: dict[Scope, str] = {
    "per_subject": "ridge · per subject",
    "pooled": "ridge · pooled",
    "leave_one_subject_out": "ridge · leave one subject out",
}


def run_baseline(
    experiment: Experiment,
    scope: Scope,
    *,
    paths: Paths,
    store: RunStore,
    said: Callable[[str, float], None] = lambda subject, r: None,
) -> tuple[BaselineResult, str]:
    """The result and the id of its run; neither is made twice.

    ``said`` hears each subject's r as it is known. Raises DataError, StoreError.
    """
    dataset, evaluation = experiment.dataset, experiment.evaluation
    result = floor(dataset, evaluation, paths, compute=True, said=said, scope=scope)
    assert result is not None
    identity = identity_of(dataset, evaluation, paths, scope, VERSION)
    lambdas = set(result.lambdas.values())
    one = {"lambda": f"{lambdas.pop():g}"} if len(lambdas) == 1 else {}
    metrics = {
        "test/pearson": result.test_pearson,
        "test/chance_p95": result.chance_p95,
        "test/chance_p": result.chance_p,
        "validation/pearson": _mean([score.validation for score in result.subjects]),
    }
    run = BaselineRun(
        key=digest({"baseline": identity})[:32],
        label=NAMES[scope],
        tags={
            "baseline": "ridge",
            "scope": scope,
            "data_fingerprint": str(identity["data"]),
            "dataset": dataset.kind,
        },
        params={
            "scope": scope,
            "lags_samples": f"0 to {N_LAGS - 1}",
            "lags_ms": f"0 to {1000 * (N_LAGS - 1) / SFREQ:.0f}",
            "lambda_grid": json.dumps(PENALTIES),
            "lambdas": json.dumps(dict(result.lambdas)),
            **one,
            "segment_seconds": f"{evaluation.segment_seconds:g}",
            "train_fraction": f"{dataset.train_fraction:g}",
        },
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        subjects=result.subjects,
    )
    return result, store.keep_baseline(run)


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
