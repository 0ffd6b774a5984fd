"""The declared contrast by other statistics: sensitivity lines and cross-checks, which decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.bootstrap import percentile_interval, pigeonhole
from ablab.comparison.mean_test import mean_test
from ablab.comparison.reml import mixed_model
from ablab.comparison.values import ModelScope
from ablab.comparison.wilcoxon import refusal, signed_rank_p

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One contrast by one other statistic."""

    name: str
    """The exact statistic."""
    kind: Literal["sensitivity", "cross-check"]
    """sensitivity: other choices that one could have made. cross-check: the same model by other means."""
    scale: Literal["r", "z", "rank"]
    """Of estimate and interval: difference of r, of Fisher z, or none."""
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    note: str = ""
    """What to bear in mind when reading it."""
    refused: str | None = None
    """Why it was not computed."""


def sensitivity(
    treatment: Floats,
    reference: Floats,
    *,
    alpha: float,
    scope: ModelScope,
    correlation: bool,
    n_draws: int,
    rng_seed: int = 0,
) -> tuple[Sensitivity, ...]:
    """Lines on paired scores of two cells, each (n_subjects, n_seeds); empty where nothing is paired.

    correlation: the scores are correlations, so that Fisher's z exists.
    """
    n_subjects, n_seeds = treatment.shape
    if not n_subjects or not n_seeds:
        return ()
    differences = treatment - reference
    lines = []
    if correlation:
        lines.append(_fisher(treatment, reference, alpha, scope))
    lines.append(_ranks(differences, alpha, scope))
    if scope == "pooled" and n_subjects > 1 and n_seeds > 1:
        lines += [_mixed(differences, alpha), _bootstrap(differences, alpha, n_draws, rng_seed)]
    return tuple(lines)


def _fisher(treatment: Floats, reference: Floats, alpha: float, scope: ModelScope) -> Sensitivity:
    if max(np.abs(treatment).max(), np.abs(reference).max()) >= 1:
        return Sensitivity(
            "Fisher z", "sensitivity", "z", refused="a score is exactly 1 or -1, where z is infinite"
        )
    test = mean_test(np.arctanh(treatment) - np.arctanh(reference), alpha, scope)
    if test.name is None:
        return Sensitivity("Fisher z", "sensitivity", "z", test.mean, refused=test.refused)
    return Sensitivity(
        f"{test.name} on Fisher z",
        "sensitivity",
        "z",
        test.mean,
        test.ci_low,
        test.ci_high,
        test.p_value,
        "stretches high correlations, so weighs well decoded subjects more",
    )


def _ranks(differences: Floats, alpha: float, scope: ModelScope) -> Sensitivity:
    """Over what the primary test takes as its fewest independent units."""
    over, axis = ("subjects", 1) if scope == "per_subject" else ("seeds", 0)
    values = differences.mean(axis=axis)
    name = f"Wilcoxon signed-rank test over {over}"
    n = int(np.count_nonzero(values))
    why = refusal(n, alpha) if n else "refused: all differences are zero"
    if why:
        return Sensitivity(name, "sensitivity", "rank", refused=why)
    return Sensitivity(
        name,
        "sensitivity",
        "rank",
        float(np.median(values)),
        p_value=signed_rank_p(values),
        note=f"exact; of the means by {over[:-1]}, the estimate being their median",
    )


def _mixed(differences: Floats, alpha: float) -> Sensitivity:
    found = mixed_model(differences, alpha)
    return Sensitivity(
        "REML mixed model, crossed random effects, Wald z",
        "cross-check",
        "r",
        found.mean,
        found.ci_low,
        found.ci_high,
        found.p_value,
        "no degrees of freedom: too narrow with few seeds",
    )


def _bootstrap(differences: Floats, alpha: float, n_draws: int, rng_seed: int) -> Sensitivity:
    draws = pigeonhole(differences.shape[0], differences.shape[1], n_draws, rng_seed)
    low, high = percentile_interval(draws.means(differences), alpha)
    return Sensitivity(
        f"pigeonhole bootstrap over subjects and seeds, {n_draws} draws, percentile interval",
        "cross-check",
        "r",
        float(differences.mean()),
        low,
        high,
        note="too narrow with few seeds",
    )
