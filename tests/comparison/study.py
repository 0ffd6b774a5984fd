"""Made-up studies: records of finished runs with a known effect, subject spread, seed spread and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ablab.spec.experiment import Experiment, Improvements, Simulated
from ablab.spec.identity import digest
from ablab.spec.record import RunRecord, SubjectScore

KEYS = ("improvements.residual", "improvements.mlp_head", "improvements.gradient_scale")
ORIGINAL = "residual=none,mlp_head=false,gradient_scale=1.0"
FULL = "residual=gated,mlp_head=true,gradient_scale=2.0"


def run(
    cell: str = ORIGINAL,
    seed: int = 0,
    scores: Mapping[str, float] | None = None,
    *,
    improvements: Improvements | None = None,
    **changes: object,
) -> RunRecord:
    """One finished run with these test scores by subject."""
    improvements = improvements or Improvements()
    scores = {"sub-1": 0.1, "sub-2": 0.2} if scores is None else scores
    levels = (improvements.residual, improvements.mlp_head, improvements.gradient_scale)
    head = "mlp" if improvements.mlp_head else "linear"
    mean = float(np.mean(list(scores.values()))) if scores else 0.0
    record = RunRecord(
        run_id=digest([cell, seed, "run"])[:32],
        key=digest([cell, seed])[:32],
        study="made_up",
        cell=cell,
        label=f"{improvements.residual} · {head} · gs{improvements.gradient_scale:g}",
        seed=seed,
        factors=dict(zip(KEYS, levels, strict=True)),
        role="seed",
        status="finished",
        experiment=Experiment(name="made_up", dataset=Simulated(), improvements=improvements),
        data_fingerprint="d" * 32,
        code_fingerprint="c" * 32,
        started="2026-01-01T00:00:00Z",
        seconds=8.0 + seed,
        metrics={
            "test/pearson": mean,
            "test/chance_p95": 0.02,
            "gradient/ratio": 0.031,
            "weights/front_change": 0.21,
            "model/parameters": 34_120.0,
            "train/loss": 1.5 - mean,
        },
        subjects=tuple(
            SubjectScore(
                subject, 1, 4, validation=None if value is None else value + 0.01, test=value,
                chance_mean=0.0, chance_p95=0.04,
            )
            for subject, value in scores.items()
        ),
    )  # fmt: skip
    return replace(record, **changes)


def cell_id(improvements: Improvements) -> str:
    """As designs name it."""
    head = str(improvements.mlp_head).lower()
    return f"residual={improvements.residual},mlp_head={head},gradient_scale={improvements.gradient_scale}"


def two_arms(differences: np.ndarray, level: float = 0.15) -> list[RunRecord]:
    """Original and full, whose paired differences are exactly ``differences``: (n_subjects, n_seeds)."""
    full = Improvements(residual="gated", mlp_head=True, gradient_scale=2.0)
    records = []
    for seed in range(differences.shape[1]):
        base = {f"sub-{s:02}": level + 0.01 * s + 0.001 * seed for s in range(differences.shape[0])}
        plus = {name: base[name] + differences[s, seed] for s, name in enumerate(base)}
        records += [run(ORIGINAL, seed, base), run(FULL, seed, plus, improvements=full)]
    return records


def full_factorial(
    n_subjects: int = 8, seeds: Sequence[int] = (0, 1, 2), *, gain: float = 0.01, rng_seed: int = 0
) -> list[RunRecord]:
    """The 12 cells of residual x mlp_head x gradient_scale; every improvement that is on adds ``gain``."""
    rng = np.random.default_rng(rng_seed)
    level = rng.normal(0.15, 0.03, n_subjects)
    records = []
    for residual, mlp, scale in product(("none", "global", "gated"), (False, True), (1.0, 2.0)):
        improvements = Improvements(residual=residual, mlp_head=mlp, gradient_scale=scale)
        effect = gain * ((residual != "none") + mlp + (scale > 1)) / 3
        by_subject = rng.normal(0, 0.006, n_subjects)
        for seed in seeds:
            scores = level + effect + by_subject + rng.normal(0, 0.006) + rng.normal(0, 0.008, n_subjects)
            names = {f"sub-{s:02}": float(score) for s, score in enumerate(scores)}
            records.append(run(cell_id(improvements), seed, names, improvements=improvements))
    return records
