"""Baselines and candidates whose scores are made up, for what judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ablab.regression.values import BASELINE, CANDIDATE, Baseline, Candidate, Measured
from ablab.spec.experiment import Experiment
from ablab.spec.record import SubjectScore
from ablab.tracking.store import Curve

EXPERIMENT = Experiment(name="e")


def measured(
    arm: str,
    scores: NDArray[np.float64],
    metrics: Mapping[str, float] | None = None,
    seeds: Sequence[int] | None = None,
    host: str = "here",
    curves: Mapping[str, Curve] | None = None,
) -> tuple[Measured, ...]:
    """One run per column of ``scores``: (n_subjects, n_seeds)."""
    seeds = range(scores.shape[1]) if seeds is None else seeds
    return tuple(
        Measured(
            cell=arm,
            run_id=f"{arm}-{seed}",
            key=f"{seed:032x}",
            seed=seed,
            host=host,
            metrics={"test/pearson": float(column.mean()), **(metrics or {})},
            subjects=tuple(
                SubjectScore(f"sub-{number:03d}", 1, 10, float(r), float(r), 0.0, 0.05)
                for number, r in enumerate(column)
            ),
            curves=curves or {},
        )
        for seed, column in zip(seeds, scores.T, strict=True)
    )


def baseline(runs: tuple[Measured, ...], data: str = "d4ta", code: str = "c0de") -> Baseline:
    return Baseline(
        "b", "s", "c", "c", EXPERIMENT, data, code, {}, "ada", "2026-11-25T00:00:00+00:00", "", runs, 1
    )


def candidate(
    runs: tuple[Measured, ...],
    *,
    data: str = "d4ta",
    repeat: Measured | None = None,
    same_predictions: bool | None = None,
    failures: tuple[str, ...] = (),
    device: str = "cpu",
) -> Candidate:
    return Candidate(EXPERIMENT, data, "c0de", runs, repeat, same_predictions, failures, device)


def before(scores: NDArray[np.float64], **keywords: object) -> tuple[Measured, ...]:
    return measured(BASELINE, scores, **keywords)  # type: ignore[arg-type]


def now(scores: NDArray[np.float64], **keywords: object) -> tuple[Measured, ...]:
    return measured(CANDIDATE, scores, **keywords)  # type: ignore[arg-type]
