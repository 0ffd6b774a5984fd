"""The declared contrast beyond its row: by other statistics, per subject, by items, and its speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablab.comparison.compare import Cells
from ablab.comparison.convergence import Convergence, Curves, convergence
from ablab.comparison.factorial.cube import Cube
from ablab.comparison.items import Items, by_items
from ablab.comparison.sensitivity import Sensitivity, sensitivity
from ablab.comparison.subjects import SubjectRow, subject_rows
from ablab.comparison.table import PER_SUBJECT
from ablab.comparison.values import Comparison


@dataclass(frozen=True, slots=True)
class OfContrast:
    """The contrast beyond its row."""

    lines: tuple[Sensitivity, ...] = ()
    subjects: tuple[SubjectRow, ...] = ()
    speed: Convergence | None = None
    without: tuple[str, ...] = ()
    """What could not be said."""


def of_contrast(
    comparison: Comparison,
    scores: Cube,
    cells: Cells,
    curves: Curves | None,
    items: Items | str | None,
    n_draws: int,
    rng_seed: int,
) -> OfContrast:
    """Look at the comparison's contrast from every other side; empty where a cell of it has no score.

    scores: of all cells. cells: id -> its finished runs. The rest: as of ``findings``.
    """
    row, baseline = comparison.primary, comparison.baseline
    if row is None or row.cell not in scores.cells or baseline not in scores.cells:
        return OfContrast(without=("no convergence: no contrast with a score in both cells is declared",))
    on_test = comparison.metric == "test/pearson"
    ours, theirs = (
        scores.combine({cell: 1.0, other: 0.0}).values
        for cell, other in ((row.cell, baseline), (baseline, row.cell))
    )
    lines = sensitivity(
        ours,
        theirs,
        alpha=comparison.alpha,
        scope=comparison.model_scope,
        correlation=comparison.metric in PER_SUBJECT,
        n_draws=n_draws,
        rng_seed=rng_seed,
    )
    subjects = subject_rows(scores, cells, treatment=row.cell, reference=baseline, with_chance=on_test)
    speed: Convergence | str = "no convergence: the runs' curves were not read"
    if curves is not None:
        runs = [run for cell in (row.cell, baseline) for run in cells[cell]]
        speed = convergence(runs, curves, treatment=row.cell, reference=baseline, alpha=comparison.alpha)
    itemwise: Sensitivity | str = "no analysis by items: it is of test r"
    if on_test:
        arms = tuple({run.seed: run.run_id for run in cells[cell]} for cell in (row.cell, baseline))
        itemwise = _by_items(items, arms[0], arms[1], subjects, comparison.alpha)
    return OfContrast(
        lines=lines if isinstance(itemwise, str) else (*lines, itemwise),
        subjects=subjects,
        speed=None if isinstance(speed, str) else speed,
        without=tuple(text for text in (itemwise, speed) if isinstance(text, str)),
    )


def _by_items(
    items: Items | str | None,
    treatment: Mapping[int, str],
    reference: Mapping[int, str],
    subjects: Sequence[SubjectRow],
    alpha: float,
) -> Sensitivity | str:
    if items is None:
        return "no analysis by items: scores per recording were not read"
    if isinstance(items, str):
        return items
    return by_items(items, treatment, reference, [row.subject for row in subjects], alpha)
