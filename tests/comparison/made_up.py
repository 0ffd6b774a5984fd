"""A table of results with known effects, as records: what the analysis of a factorial has to recover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from tests.comparison.study import cell_id, run

from ablab.spec.experiment import Improvements
from ablab.spec.record import RunRecord

RESIDUALS = ("none", "global", "gated")
LEVELS = {
    "improvements.residual": RESIDUALS,
    "improvements.mlp_head": (False, True),
    "improvements.gradient_scale": (1.0, 2.0),
}
Truth = Callable[[Improvements], float]


def additive(improvements: Improvements) -> float:
    """Residual: +.02 global, +.03 gated; MLP head: -.005; gradient scale: nothing."""
    by_residual = {"none": 0.0, "global": 0.02, "gated": 0.03}
    return by_residual[improvements.residual] - 0.005 * improvements.mlp_head


def together_only(improvements: Improvements) -> float:
    """+.03 where gated residual and MLP head meet, nothing else: a pure interaction."""
    return 0.03 * (improvements.residual == "gated" and improvements.mlp_head)


def all_cells() -> list[Improvements]:
    return [
        Improvements(residual=residual, mlp_head=mlp, gradient_scale=scale)
        for residual, mlp, scale in product(RESIDUALS, (False, True), (1.0, 2.0))
    ]


def table(
    truth: Truth,
    cells: Sequence[Improvements] | None = None,
    *,
    n_subjects: int = 12,
    seeds: Sequence[int] = range(6),
    sd: tuple[float, float, float] = (0.004, 0.003, 0.004),
    rng_seed: int = 0,
) -> list[RunRecord]:
    """Records whose mean of cell c is 0.15 + truth(c); sd by (cell x) subject, seed, and residual."""
    rng = np.random.default_rng(rng_seed)
    level = rng.normal(0.15, 0.03, n_subjects)
    records = []
    for improvements in all_cells() if cells is None else cells:
        by_subject = rng.normal(0, sd[0], n_subjects)
        for seed in seeds:
            r = (
                level
                + truth(improvements)
                + by_subject
                + rng.normal(0, sd[1])
                + rng.normal(0, sd[2], n_subjects)
            )
            names = {f"sub-{s:02}": float(value) for s, value in enumerate(r)}
            records.append(run(cell_id(improvements), seed, names, improvements=improvements))
    return records
