"""Main effects, two-way interactions, and each factor alone (added) and last (left out)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ablab.comparison import verdicts
from ablab.comparison.effects import effect
from ablab.comparison.factorial.contrasts import (
    CellContrast,
    full_contrast,
    interaction_contrasts,
    main_contrasts,
    pairs,
)
from ablab.comparison.factorial.cube import Cube
from ablab.comparison.factorial.layout import Layout, Place
from ablab.comparison.holm import holm
from ablab.comparison.values import Effect, ModelScope, Verdict
from ablab.designs.labels import short_names


@dataclass(frozen=True, slots=True)
class Contrast:
    """One tested contrast of levels, averaged over backgrounds."""

    name: str
    """Such as ``global, gated against none``."""
    effect: Effect
    """Crossed quasi-t on the contrast's (n_subjects, n_seeds) matrix; in r."""
    verdict: Verdict
    """Always exploratory: only the declared contrast between two cells is confirmatory."""
    n_backgrounds: int
    """Combinations of the other factors' levels that it is averaged over."""
    n_possible: int
    """How many the full factorial has."""
    holm_p: float | None = None
    """Holm-adjusted over all contrasts of main effects, or over all of interactions."""


@dataclass(frozen=True, slots=True)
class FactorialEffect:
    """A main effect (one factor) or a two-way interaction (two) with all its degrees of freedom."""

    factors: tuple[str, ...]
    """Spec keys."""
    name: str
    """Such as ``residual`` or ``residual × mlp_head``."""
    contrasts: tuple[Contrast, ...]
    """Orthogonal, one per degree of freedom."""
    omnibus_p: float | None
    """Whether any contrast differs from zero: the smallest p times the number of contrasts, a
    union-intersection test with Bonferroni's bound. Unlike a quasi-F it needs no equal variances of the
    contrasts."""
    full: Contrast | None = None
    """Of a main effect: full level against reference level, averaged over backgrounds."""


@dataclass(frozen=True, slots=True)
class OneFactor:
    """One factor switched from its reference to its full level, alone and in the presence of all others."""

    factor: str
    name: str
    added_in: Effect | None
    """Reference cell with the factor on, minus the reference cell; None where a cell is missing."""
    left_out: Effect | None
    """Full cell minus the full cell with the factor off; None where a cell is missing."""
    difference: Effect | None
    """Left out minus added in: what the presence of the others changes."""
    interaction: bool
    """Whether the two disagree beyond chance: the difference's interval excludes zero."""


@dataclass(frozen=True, slots=True)
class Factorial:
    """Everything that the cells of a design support."""

    main: tuple[FactorialEffect, ...]
    interactions: tuple[FactorialEffect, ...]
    one_factor: tuple[OneFactor, ...]
    unsupported: tuple[str, ...]
    """What the cells and seeds at hand cannot say, in sentences."""


SHOWN = 6
"""So many factors or interactions are named in one sentence before the rest is counted."""


def factorial(
    layout: Layout,
    cube: Cube,
    *,
    alpha: float,
    sesoi: float | None,
    scope: ModelScope,
    correlation: bool = True,
) -> Factorial:
    """All effects of a design. ``correlation``: the metric has a direction, so that effects are gains."""

    def tested(contrast: CellContrast) -> Contrast | None:
        if not contrast.weights:
            return None
        found = effect(cube.combine(contrast.weights).values, alpha=alpha, sesoi=sesoi, scope=scope)
        verdict = verdicts.decide(found, sesoi=sesoi, correlation=correlation, declared=False)
        return Contrast(contrast.name, found, verdict, contrast.n_backgrounds, contrast.n_possible)

    names = short_names(layout.factors)
    main, interactions, never_alone, unsupported = [], [], [], []
    for number, factor in enumerate(layout.factors):
        contrasts = [tested(each) for each in main_contrasts(layout, cube, number)]
        full = tested(full_contrast(layout, cube, number))
        if all(each is None for each in contrasts) and full is None:
            never_alone.append(names[factor])
            continue
        known = tuple(each for each in contrasts if each is not None)
        if len(known) < len(contrasts):
            unsupported.append(f"{names[factor]}: not all levels were trained beside one another")
        main.append(FactorialEffect((factor,), names[factor], known, _omnibus(known), full))
    if never_alone:
        unsupported.append(f"no effect of {_named(never_alone)}: no two cells differ in one of them alone")
    without = []
    for first, second in pairs(layout):
        keys = layout.factors[first], layout.factors[second]
        name = f"{names[keys[0]]} × {names[keys[1]]}"
        contrasts = [tested(each) for each in interaction_contrasts(layout, cube, first, second)]
        known = tuple(each for each in contrasts if each is not None)
        if known:
            interactions.append(FactorialEffect(keys, name, known, _omnibus(known)))
        if len(known) < len(contrasts):
            without.append(name)
    if without:
        unsupported.append(
            f"no (whole) interaction {_named(without)}: it needs cells in which both factors vary"
        )
    main, interactions = _adjusted(main), _adjusted(interactions)
    unsupported += _narrowed([*main, *interactions])
    unsupported += _fewer_seeds([*main, *interactions], len(cube.seeds))
    one = [_one_factor(layout, cube, number, alpha, sesoi, scope) for number in range(len(layout.factors))]
    return Factorial(tuple(main), tuple(interactions), tuple(one), tuple(unsupported))


def _named(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _omnibus(contrasts: Sequence[Contrast]) -> float | None:
    p_values = [each.effect.test.p_value for each in contrasts if each.effect.test.p_value is not None]
    return min(1.0, min(p_values) * len(p_values)) if p_values else None


def _adjusted(effects: Sequence[FactorialEffect]) -> list[FactorialEffect]:
    adjusted = iter(holm([each.effect.test.p_value for found in effects for each in found.contrasts]))
    return [
        replace(found, contrasts=tuple(replace(each, holm_p=next(adjusted)) for each in found.contrasts))
        for found in effects
    ]


def _narrowed(effects: Sequence[FactorialEffect]) -> list[str]:
    """Effects that stand on fewer backgrounds than the full factorial has, one sentence per size."""
    found: dict[tuple[int, int], dict[str, None]] = {}
    for each in effects:
        for contrast in each.contrasts:
            if contrast.n_backgrounds < contrast.n_possible:
                size = contrast.n_backgrounds, contrast.n_possible
                found.setdefault(size, {})[each.name] = None
    return [
        f"{', '.join(names)}: averaged over {n} of {possible} combinations of the other factors, "
        "so it holds there and not everywhere"
        for (n, possible), names in found.items()
    ]


def _fewer_seeds(effects: Sequence[FactorialEffect], n_seeds: int) -> list[str]:
    """Effects that stand on fewer seeds than were trained, one sentence per number."""
    found: dict[int, dict[str, None]] = {}
    for each in effects:
        for contrast in each.contrasts:
            if contrast.effect.n_seeds < n_seeds:
                found.setdefault(contrast.effect.n_seeds, {})[each.name] = None
    return [
        f"{_named(list(names))}: tested on {n} of {n_seeds} seeds, those that all its cells have"
        for n, names in found.items()
    ]


def _one_factor(
    layout: Layout, cube: Cube, number: int, alpha: float, sesoi: float | None, scope: ModelScope
) -> OneFactor:
    def switched(place: Place, level: int) -> str | None:
        return layout.cells.get((*place[:number], level, *place[number + 1 :]))

    def of(weights: dict[str, float]) -> Effect:
        return effect(cube.combine(weights).values, alpha=alpha, sesoi=sesoi, scope=scope)

    factor = layout.factors[number]
    high = layout.last[number]
    original, alone = layout.cells.get(layout.first), switched(layout.first, high)
    full, without = layout.cells.get(layout.last), switched(layout.last, 0)
    added = of({alone: 1.0, original: -1.0}) if alone and original else None
    left = of({full: 1.0, without: -1.0}) if full and without else None
    difference = None
    if original and alone and full and without and len(layout.factors) > 1:
        weights: dict[str, float] = {}
        for cell, weight in ((full, 1.0), (without, -1.0), (alone, -1.0), (original, 1.0)):
            weights[cell] = weights.get(cell, 0.0) + weight
        difference = of(weights)
    test = None if difference is None else difference.test
    disagree = (
        test is not None
        and test.ci_low is not None
        and test.ci_high is not None
        and not test.ci_low <= 0 <= test.ci_high
    )
    return OneFactor(factor, short_names(layout.factors)[factor], added, left, difference, disagree)
