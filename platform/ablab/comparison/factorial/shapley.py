"""Shapley shares: how much of the total gain each factor carries, order of switching on averaged out.

The gain is the full cell minus the reference cell. A factor's share is its gain when it is switched on,
averaged over all orders in which the factors can be switched on, so that the gains sum to the total exactly
(Shapley 1953, "A value for n-person games"). It needs the 2^n cells with every factor at its first or last
level. A gain is a weighted sum of those cells; its interval is the crossed quasi-t's, and shares, being
ratios, take theirs from a pigeonhole bootstrap in which all gains are computed anew in every draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from ablab.comparison.bootstrap import percentile_interval, pigeonhole
from ablab.comparison.factorial.cube import Cube
from ablab.comparison.factorial.layout import Layout
from ablab.comparison.mean_test import mean_test
from ablab.comparison.values import MeanTest, ModelScope
from ablab.designs.labels import short_names

MOST_FACTORS = 12
"""2^12 = 4096 cells; no grid that is trained is larger."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one factor carries of the total gain."""

    factor: str
    name: str
    gain: MeanTest
    """In r; the gains of all factors sum to the total."""
    gain_low: float
    """Bootstrap interval of the gain, for comparison with the quasi-t's."""
    gain_high: float
    share: float | None
    """Gain over total; the shares sum to one. None where the total is not clearly different from zero."""
    share_low: float | None
    share_high: float | None


@dataclass(frozen=True, slots=True)
class Shapley:
    """The total gain and its parts."""

    total: MeanTest
    shares: tuple[Share, ...]
    n_subjects: int
    n_seeds: int
    n_draws: int
    without_shares: str | None = None
    """Why no shares are given."""


def weights(layout: Layout) -> list[dict[str, float]] | str:
    """Per factor the weights of cells whose sum is its Shapley gain; or, as text, what is missing."""
    n = len(layout.factors)
    if n > MOST_FACTORS:
        return f"no Shapley shares: {n} factors have {2**n} corner cells"
    last = layout.last
    corners = {
        on: layout.cells.get(tuple(last[i] if i in on else 0 for i in range(n)))
        for size in range(n + 1)
        for on in map(frozenset, combinations(range(n), size))
    }
    missing = sum(cell is None for cell in corners.values())
    if missing:
        return f"no Shapley shares: {missing} of the {2**n} cells with every factor off or full have no score"
    found: list[dict[str, float]] = []
    for factor in range(n):
        of: dict[str, float] = {}
        for on, cell in corners.items():
            before = len(on) - 1 if factor in on else len(on)
            weight = factorial(before) * factorial(n - before - 1) / factorial(n)
            of[str(cell)] = weight if factor in on else -weight
        found.append(of)
    return found


def shapley(
    layout: Layout, cube: Cube, *, alpha: float, scope: ModelScope, n_draws: int, rng_seed: int = 0
) -> Shapley | str:
    """Shapley gains and shares of all factors; as text what is missing where there are none."""
    of_factor = weights(layout)
    if isinstance(of_factor, str):
        return of_factor
    if not of_factor:
        return "no Shapley shares: no factor varies"
    combined = [cube.combine(each) for each in of_factor]  # the same cells, so the same subjects and seeds
    gains = np.stack([each.values for each in combined])
    n_subjects, n_seeds = gains.shape[1:]
    if not n_subjects or not n_seeds:
        return "no Shapley shares: no subject was scored in all corner cells under the same seed"
    total = gains.sum(axis=0)
    draws = pigeonhole(n_subjects, n_seeds, n_draws, rng_seed)
    drawn = draws.means(gains)
    totals = drawn.sum(axis=0)
    low, high = percentile_interval(totals, alpha)
    tested = mean_test(total, alpha, scope)
    unclear = low <= 0 <= high or not _excludes_zero(tested)
    why = "shares of a total gain that may be zero are not defined" if unclear else None
    names = short_names(layout.factors)
    shares = []
    for factor, gain, sample in zip(layout.factors, gains, drawn, strict=True):
        share = share_low = share_high = None
        if not unclear:
            share = float(gain.mean() / total.mean())
            share_low, share_high = percentile_interval(sample / totals, alpha)
        gain_low, gain_high = percentile_interval(sample, alpha)
        tested_gain = mean_test(gain, alpha, scope)
        shares.append(
            Share(factor, names[factor], tested_gain, gain_low, gain_high, share, share_low, share_high)
        )
    return Shapley(tested, tuple(shares), n_subjects, n_seeds, n_draws, why)


def _excludes_zero(test: MeanTest) -> bool:
    return test.ci_low is not None and test.ci_high is not None and not test.ci_low <= 0 <= test.ci_high
