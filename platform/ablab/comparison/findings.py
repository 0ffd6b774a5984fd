"""Finished runs -> Findings: the comparison and everything that follows from it, in one value.

The one function that a report needs: it reads records (and, passed in as values, the curves of the runs)
and touches neither store nor file. What cannot be said is said in words, in ``Findings.unsupported``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablab.comparison import verdicts
from ablab.comparison.bootstrap import DRAWS
from ablab.comparison.compare import by_cell, compare
from ablab.comparison.convergence import Convergence, Curves
from ablab.comparison.declared_contrast import of_contrast
from ablab.comparison.factorial.cube import cube
from ablab.comparison.factorial.effects import Factorial, factorial
from ablab.comparison.factorial.layout import Levels, layout, levels_of
from ablab.comparison.factorial.shapley import Shapley, shapley
from ablab.comparison.holm import holm
from ablab.comparison.items import NAME as ITEMS
from ablab.comparison.items import Items
from ablab.comparison.recommendation import Recommendation, recommend
from ablab.comparison.sensitivity import Sensitivity
from ablab.comparison.subjects import SubjectRow
from ablab.comparison.table import PER_SUBJECT, matrices, tidy
from ablab.comparison.values import Comparison
from ablab.comparison.variance import Components
from ablab.designs.controls import is_control
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study found. Fields may be added; those here keep their meaning."""

    comparison: Comparison
    """Every cell against the reference; ``comparison.primary`` is the declared contrast."""
    factorial: Factorial
    """Main effects, two-way interactions, each factor added in and left out."""
    shapley: Shapley | None
    """Share of each factor in the total gain; None where corner cells are missing."""
    holm: Mapping[str, float]
    """Cell -> p of its difference from the reference, Holm-adjusted over all tested cells of the design. The
    declared contrast is a family of one and needs no adjustment: its p stands in the comparison."""
    variance: Components | None
    """Variance budget of the declared contrast: SD by subject, by seed, residual."""
    sensitivity: tuple[Sensitivity, ...]
    """The declared contrast by other statistics."""
    convergence: Convergence | None
    """Epochs to a common validation r; None without curves of both arms."""
    recommendation: Recommendation | None
    subjects: tuple[SubjectRow, ...]
    """Per subject both arms of the declared contrast, by falling difference."""
    scope: tuple[tuple[str, str], ...]
    """What the verdicts generalise to: (population, yes or NO with the reason)."""
    unsupported: tuple[str, ...]
    """What the runs at hand cannot say, one sentence each."""


def findings(
    records: Sequence[RunRecord],
    *,
    study: str,
    analysis: Analysis | None = None,
    reference: str | None = None,
    treatment: str | None = None,
    levels: Levels | None = None,
    curves: Curves | None = None,
    items: Items | str | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    floor: float | None = None,
    superseded: Sequence[RunRecord] = (),
    notes: Sequence[str] = (),
    n_draws: int = DRAWS,
    rng_seed: int = 0,
) -> Findings:
    """Everything a study's records say; arguments as of ``comparison.compare``, and

    levels: factor -> its levels in the declared order, reference first, full level last; None: in order of
    appearance. curves: run id -> metric -> points, for the runs of both arms. items: scores per recording of
    the runs of both arms, where stimuli were held out, or why there are none. n_draws, rng_seed: of the
    bootstrap.

    Raises what ``comparison.compare`` raises.
    """
    comparison = compare(
        records,
        study=study,
        analysis=analysis,
        reference=reference,
        treatment=treatment,
        metric=metric,
        baseline=baseline,
        floor=floor,
        superseded=superseded,
        notes=notes,
    )
    alpha, scope, sesoi = comparison.alpha, comparison.model_scope, comparison.sesoi
    finished = [run for run in records if run.role == "seed" and run.status == "finished"]
    cells = by_cell(finished)
    scores = cube(matrices(tidy(finished, comparison.metric), cells))
    correlation = comparison.metric in PER_SUBJECT
    unsupported: list[str] = []

    designed = {cell: runs[0].factors for cell, runs in cells.items() if not is_control(cell)}
    start = designed.get(reference or comparison.baseline, {})
    full = designed.get(treatment or "")
    levels = levels or levels_of(designed.values(), start, full)
    arranged = layout({cell: factors for cell, factors in designed.items() if cell in scores.cells}, levels)
    effects = factorial(arranged, scores, alpha=alpha, sesoi=sesoi, scope=scope, correlation=correlation)
    unsupported += effects.unsupported
    shares = shapley(arranged, scores, alpha=alpha, scope=scope, n_draws=n_draws, rng_seed=rng_seed)

    primary = comparison.primary
    contrast = of_contrast(comparison, scores, cells, curves, items, n_draws, rng_seed)
    advice: Recommendation | str = "no recommendation: the metric has no smallest effect of interest"
    if sesoi is not None:
        advice = recommend(
            comparison.rows,
            scores,
            {cell: runs[0].experiment for cell, runs in cells.items()},
            start,
            study=study,
            alpha=alpha,
            sesoi=sesoi,
            scope=scope,
        )
    unsupported += [text for text in (shares, *contrast.without, advice) if isinstance(text, str)]
    return Findings(
        comparison=comparison,
        factorial=effects,
        shapley=None if isinstance(shares, str) else shares,
        holm=_holm(comparison),
        variance=None if primary is None or primary.effect is None else primary.effect.components,
        sensitivity=contrast.lines,
        convergence=contrast.speed,
        recommendation=None if isinstance(advice, str) else advice,
        subjects=contrast.subjects,
        scope=_scope(comparison, contrast.lines),
        unsupported=tuple(unsupported),
    )


def _scope(comparison: Comparison, lines: Sequence[Sensitivity]) -> tuple[tuple[str, str], ...]:
    """The comparison's, and for stimuli what the line by items allows to say."""
    itemwise = next((line for line in lines if line.name == ITEMS and line.refused is None), None)
    if itemwise is None:
        return verdicts.scope(comparison)
    answer = "yes, by items (sensitivity line)"
    return tuple(
        (population, answer if population == "new stimuli" else text)
        for population, text in verdicts.scope(comparison)
    )


def _holm(comparison: Comparison) -> dict[str, float]:
    rows = [row for row in comparison.rows if row.effect is not None and not is_control(row.cell)]
    adjusted = holm([row.effect.test.p_value if row.effect else None for row in rows])
    return {row.cell: p for row, p in zip(rows, adjusted, strict=True) if p is not None}
