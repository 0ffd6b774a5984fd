"""The fewest improvements that are not worse than the best cell, as a spec that can be run.

The best cell is the one with the highest mean; it was chosen by looking, so its mean flatters it (the
winner's curse) and so may that of the recommended cell. A recommendation is therefore exploratory until
both were trained again on fresh seeds: ``ablab grid confirm STUDY``.

Non-inferior: the lower end of the 1 - 2 alpha interval of (cell minus best) lies above minus SESOI, a
one-sided test at alpha (Wellek 2010, Testing Statistical Hypotheses of Equivalence and Noninferiority).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablab.comparison import figures
from ablab.comparison.effects import effect
from ablab.comparison.factorial.cube import Cube
from ablab.comparison.quasi_t import FEW_SEEDS
from ablab.comparison.values import Effect, ModelScope, Row
from ablab.designs.controls import is_control
from ablab.spec.experiment import Experiment, Level
from ablab.spec.writing import resolved_yaml


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which cell to use, and what it rests on. Exploratory until confirmed on fresh seeds."""

    cell: str
    label: str
    n_improvements: int
    """Factors that are not at their reference level."""
    best: str
    """The cell with the highest mean; may be the recommended one."""
    best_label: str
    against_best: Effect | None
    """Recommended minus best; None where they are the same cell."""
    margin: float
    """SESOI: how much worse than the best would still count as not worse."""
    reasons: tuple[str, ...]
    """What a reader has to know: other cells of equal size, few seeds."""
    spec: str
    """The experiment file of the recommended cell, ready to run."""


def recommend(
    rows: Sequence[Row],
    cube: Cube,
    experiments: Mapping[str, Experiment],
    reference: Mapping[str, Level],
    *,
    study: str,
    alpha: float,
    sesoi: float,
    scope: ModelScope,
) -> Recommendation | str:
    """Recommend a cell; as text why none can be.

    rows: of the comparison. experiments: cell id -> its spec. reference: levels of the reference cell.
    """
    scored = [row for row in rows if row.cell in cube.cells and not is_control(row.cell)]
    enough = min(FEW_SEEDS, max((row.n_seeds for row in scored), default=0))
    candidates = [row for row in scored if row.n_seeds >= enough]
    if len(candidates) < 2:
        return "no recommendation: fewer than two cells have a score under enough seeds"
    best = max(candidates, key=lambda row: -1.0 if row.own.mean is None else row.own.mean)
    tested: list[tuple[int, float, Row, Effect | None]] = []
    untested = []
    for row in candidates:
        found = None
        if row is not best:
            combined = cube.combine({row.cell: 1.0, best.cell: -1.0})
            found = effect(combined.values, alpha=alpha, sesoi=sesoi, scope=scope)
            low = found.test.equivalence_low
            if low is None:
                untested.append(row.label)
            if low is None or low <= -sesoi:
                continue
        n_on = improvements_on(row.factors, reference)
        tested.append((n_on, -(row.own.mean or 0.0), row, found))
    tested.sort(key=lambda each: each[:2])
    n_on, _, chosen, against = tested[0]
    reasons = [f"chosen among {len(candidates)} cells after looking at them: exploratory until confirmed"]
    if len(candidates) < len(scored):
        few = [row.label for row in scored if row not in candidates]
        reasons.append(f"fewer than {enough} seeds, so not considered: {', '.join(few)}")
    equal = [row.label for n, _, row, _ in tested if n == n_on and row is not chosen]
    if equal:
        reasons.append(f"not worse either, with as few improvements, though lower: {', '.join(equal)}")
    if untested:
        reasons.append(f"could not be tested against the best cell, so not considered: {', '.join(untested)}")
    if chosen.below_floor:
        reasons.append("it does not reach the linear model (ridge)")
    if chosen.below_chance:
        reasons.append("it is not above chance")
    n_seeds = chosen.n_seeds if against is None else against.n_seeds
    if n_seeds < FEW_SEEDS:
        reasons.append(f"{n_seeds} seeds: {FEW_SEEDS} are needed for a verdict")
    if against is None and len(tested) == 1:
        reasons.append("no other cell is shown to be within the margin; more seeds may show one")
    return Recommendation(
        cell=chosen.cell,
        label=chosen.label,
        n_improvements=n_on,
        best=best.cell,
        best_label=best.label,
        against_best=against,
        margin=sesoi,
        reasons=tuple(reasons),
        spec=_spec(experiments[chosen.cell], study, chosen, best),
    )


def non_inferiority(effect: Effect, margin: float, alpha: float) -> str:
    """Whether a cell is shown to be not worse than another, in words; ``effect`` is the cell minus the other.

    The interval is that of the one-sided test at ``alpha``: the 1 - 2 alpha interval.
    """
    low, high = effect.test.equivalence_low, effect.test.equivalence_high
    if low is None or high is None:
        return f"NOT TESTED: {effect.test.refused}"
    shown = f"{figures.level(2 * alpha)} interval {figures.interval(low, high, 4)}"
    numbers = f"{figures.signed(effect.test.mean)}, {shown}, margin {figures.plain(margin, 3)}"
    if effect.n_seeds < FEW_SEEDS:
        return f"EXPLORATORY with {figures.plural(effect.n_seeds, 'seed')}: {numbers}"
    if low > -margin:
        return f"NOT WORSE: {numbers}"
    return f"WORSE: {numbers}" if high < -margin else f"INCONCLUSIVE: {numbers}"


def improvements_on(factors: Mapping[str, Level], reference: Mapping[str, Level]) -> int:
    """How many factors are not at their reference level.

    >>> improvements_on({"a": 1, "b": 2}, {"a": 1, "b": 3})
    1
    """
    return sum(value != reference.get(key) for key, value in factors.items())


def _spec(experiment: Experiment, study: str, chosen: Row, best: Row) -> str:
    named = experiment.model_copy(update={"name": f"{study}_recommended"})
    head = (
        f"# Recommended by study {study}: the fewest improvements not worse than the best cell.\n"
        f"# Cell {chosen.cell}; best cell {best.cell}.\n"
        f"# Exploratory until confirmed on fresh seeds: ablab grid confirm {study}\n"
    )
    return head + resolved_yaml(named)
