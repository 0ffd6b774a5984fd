"""Scores of many cells as one array, and what weighted sums of cells need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Combined:
    """A weighted sum of cells over the subjects and seeds that all of them have."""

    values: Floats
    """(n_subjects, n_seeds); either may be 0."""
    subjects: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cube:
    """r[cell, subject, seed], NaN where there is no score."""

    cells: Mapping[str, int]
    """Cell id -> its index on the first axis."""
    subjects: tuple[str, ...]
    seeds: tuple[int, ...]
    scores: Floats
    """(n_cells, n_subjects, n_seeds)."""

    def seeds_of(self, cell: str) -> frozenset[int]:
        """Seeds under which a cell has a score."""
        scored = np.isfinite(self.scores[self.cells[cell]]).any(axis=0)
        return frozenset(seed for seed, there in zip(self.seeds, scored, strict=True) if there)

    def combine(self, weights: Mapping[str, float]) -> Combined:
        """Sum over cells of weight times score, for the subjects scored in each under all common seeds."""
        numbers = [self.cells[cell] for cell in weights]
        part = self.scores[numbers]
        seeds = np.isfinite(part).any(axis=1).all(axis=0)
        part = part[:, :, seeds]
        subjects = np.isfinite(part).all(axis=(0, 2)) & bool(seeds.any())
        values = np.tensordot(np.array(list(weights.values())), part[:, subjects], axes=1)
        return Combined(
            np.asarray(values, dtype=np.float64),
            tuple(np.array(self.subjects, dtype=object)[subjects]),
            tuple(int(seed) for seed in np.array(self.seeds, dtype=np.int64)[seeds]),
        )


def cube(matrices: Mapping[str, pd.DataFrame]) -> Cube:
    """Stack matrices (subjects down, seeds across) of cells; cells without a score are left out."""
    scored = {cell: matrix for cell, matrix in matrices.items() if matrix.size}
    subjects = sorted({str(subject) for matrix in scored.values() for subject in matrix.index})
    seeds = sorted({int(seed) for matrix in scored.values() for seed in matrix.columns})
    scores = np.full((len(scored), len(subjects), len(seeds)), np.nan)
    for number, matrix in enumerate(scored.values()):
        rows, columns = np.searchsorted(subjects, matrix.index), np.searchsorted(seeds, matrix.columns)
        scores[number][np.ix_(rows, columns)] = matrix.to_numpy(dtype=np.float64)
    return Cube({cell: number for number, cell in enumerate(scored)}, tuple(subjects), tuple(seeds), scores)
