"""One cell's row: its own mean, its effect and verdict, and what its runs measured besides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ablab.comparison.mean_test import mean_test
from ablab.comparison.table import complete
from ablab.comparison.values import Effect, ModelScope, Row, Verdict
from ablab.spec.experiment import Level
from ablab.spec.record import RunRecord


def cell_row(
    cell: str,
    runs: Sequence[RunRecord],
    values: pd.DataFrame,
    *,
    effect: Effect | None,
    verdict: Verdict,
    alpha: float,
    scope: ModelScope,
    floor: float | None,
    chance: float | None,
) -> Row:
    """The row of a cell from all its runs, whatever their status, and its matrix of scores."""
    by_seed = values.mean(axis="index")
    own = mean_test(complete(values), alpha, scope)
    finished = [run for run in runs if run.status == "finished"]
    parameters = _mean(run.metrics.get("model/parameters") for run in finished)
    factors: Mapping[str, Level] = runs[0].factors if runs else {}
    return Row(
        cell=cell,
        label=runs[0].label if runs else cell,
        factors=factors,
        n_seeds=values.shape[1],
        n_subjects=values.shape[0],
        own=own,
        sd_seeds=float(by_seed.std(ddof=1)) if by_seed.size > 1 else None,
        effect=effect,
        verdict=verdict,
        gradient_ratio=_mean(run.metrics.get("gradient/ratio") for run in finished),
        drift=_mean(run.metrics.get("weights/front_change") for run in finished),
        parameters=None if parameters is None else round(parameters),
        seconds=_mean(run.seconds for run in finished),
        below_floor=_below(own.mean, floor),
        below_chance=_below(own.mean, chance),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _below(mean: float | None, limit: float | None) -> bool:
    return mean is not None and limit is not None and mean < limit
