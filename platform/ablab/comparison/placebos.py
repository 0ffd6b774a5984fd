"""The platform's own false positives: verdicts on placebo arms, in which nothing can be better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from ablab.comparison.effects import effect
from ablab.comparison.table import paired
from ablab.comparison.values import Effect, ModelScope, PlaceboArm
from ablab.designs.placebos import placebo_of
from ablab.spec.grid import Placebo
from ablab.spec.record import RunRecord


def placebo_arms(
    cells: Mapping[str, Sequence[RunRecord]],
    scores: Mapping[str, pd.DataFrame],
    *,
    treatment: str | None,
    reference: str,
    alpha: float,
    sesoi: float | None,
    scope: ModelScope,
) -> tuple[PlaceboArm, ...]:
    """The placebo comparisons that a study's cells allow.

    cells: cell id -> its runs of any status, seeds as `designs.placebos.as_replicates` gives them. scores:
    cell id -> its scores, subjects by seeds. treatment, reference: of the contrast.
    """
    pairs: list[tuple[Placebo, str, str]] = [("a_a", placebo_of(reference, "a_a"), reference)]
    if treatment is not None:
        pairs.append(("no_eeg", placebo_of(treatment, "no_eeg"), placebo_of(reference, "no_eeg")))
    found = []
    for kind, cell, against in pairs:
        if cell not in cells or against not in cells:
            continue
        differences = paired(scores[cell], scores[against]).differences
        of = effect(differences, alpha=alpha, sesoi=sesoi, scope=scope)
        above = _above_chance([*cells[cell], *cells[against]]) if kind == "no_eeg" else None
        found.append(PlaceboArm(kind, cell, against, of, _verdict(of), above))
    return tuple(found)


def _verdict(of: Effect) -> Literal["difference", "no difference", "not tested"]:
    low, high = of.test.ci_low, of.test.ci_high
    if low is None or high is None:
        return "not tested"
    return "no difference" if of.identical or low <= 0 <= high else "difference"


def _above_chance(runs: Sequence[RunRecord]) -> tuple[int, int] | None:
    known = [
        (run.metrics["test/pearson"], run.metrics["test/chance_p95"])
        for run in runs
        if run.status == "finished" and {"test/pearson", "test/chance_p95"} <= run.metrics.keys()
    ]
    return (sum(r > limit for r, limit in known), len(known)) if known else None
