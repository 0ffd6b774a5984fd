"""Does the crossed quasi-t keep its promises? False positives, coverage, power, equivalence, by simulation.

Studies are drawn from the model of the comparison, d[s, k] = effect + a[s] + b[k] + e[s, k] with normal
parts, and tested by the code that tests real ones. A shift by the effect changes no mean square, so the
same draws serve every effect. The bounds are those of ``docs/statistics.md``: at most 6.5 % false positives
from five seeds on, and at least 3.5 % where subjects and seeds both vary by .005 or more and there are 20
subjects or more; below that the floor under the variance makes the test conservative on purpose. Coverage
mirrors them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.power import detectable
from ablab.comparison.quasi_t import FEW_SEEDS, crossed_quasi_t

ALPHA, SESOI = 0.05, 0.01
DRAWS = 20_000
AT_ONCE = 1_000
"""Studies per array: 85 x 10 of them stay within the processor's cache reach, some 7 MB."""
SUBJECTS, SEEDS = (8, 20, 85), (3, 5, 10)
SPREADS = (0.0, 0.005, 0.01)
RESIDUALS = (0.005, 0.01)
MOST, LEAST = 0.065, 0.035


@dataclass(frozen=True, slots=True)
class Design:
    """A study's size and the SDs of its paired differences."""

    subjects: int
    seeds: int
    sd_subject: float
    sd_seed: float
    sd_residual: float

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Differences of ``n`` studies without an effect: (n, subjects, seeds)."""
        return np.asarray(
            self.sd_subject * rng.standard_normal((n, self.subjects, 1))
            + self.sd_seed * rng.standard_normal((n, 1, self.seeds))
            + self.sd_residual * rng.standard_normal((n, self.subjects, self.seeds)),
            dtype=np.float64,
        )

    @property
    def detectable(self) -> float:
        """The effect that the power formula says is found in 80 % of studies."""
        return detectable(self.sd_subject, self.sd_seed, self.sd_residual, self.subjects, self.seeds, ALPHA)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and most false positives that the statistics page allows."""
        exact = min(self.sd_subject, self.sd_seed) >= 0.005 and self.subjects >= 20
        most = MOST if self.seeds >= FEW_SEEDS else 1.0
        return (LEAST if exact and self.seeds >= FEW_SEEDS else 0.0), most


def designs() -> Iterator[Design]:
    """Every size with every combination of SDs."""
    for subjects, seeds, subject, seed, residual in product(SUBJECTS, SEEDS, SPREADS, SPREADS, RESIDUALS):
        yield Design(subjects, seeds, subject, seed, residual)


def calibrate(design: Design, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Shares of ``draws`` simulated studies.

    false_positives: p below alpha without an effect. coverage: intervals that hold a true effect of .01.
    power_005, power_01, power_02: studies with that effect whose interval lies above zero.
    power_at_detectable: with the effect that the power formula gives for 80 %. false_equivalence: studies
    with a true effect of exactly SESOI that are called equivalent to zero.
    """
    counts = dict.fromkeys(
        (
            "false_positives",
            "coverage",
            "power_005",
            "power_01",
            "power_02",
            "power_at_detectable",
            "false_equivalence",
        ),
        0,
    )
    effects = {
        "power_005": 0.005,
        "power_01": 0.01,
        "power_02": 0.02,
        "power_at_detectable": design.detectable,
    }
    for _ in range(draws // AT_ONCE):
        null = design.draw(AT_ONCE, rng)
        counts["false_positives"] += int((crossed_quasi_t(null, ALPHA).p_value < ALPHA).sum())
        shifted = crossed_quasi_t(null + SESOI, ALPHA)
        covered = (shifted.ci_low <= SESOI) & (shifted.ci_high >= SESOI)
        counts["coverage"] += int(covered.sum())
        inner = crossed_quasi_t(null + SESOI, 2 * ALPHA)
        counts["false_equivalence"] += int(((inner.ci_low > -SESOI) & (inner.ci_high < SESOI)).sum())
        for name, effect in effects.items():
            counts[name] += int((shifted.ci_low - SESOI + effect > 0).sum())
    return {name: count / (draws // AT_ONCE * AT_ONCE) for name, count in counts.items()}


def measure() -> list[dict[str, str | int | float | bool]]:
    """One row per design; ``within_bounds`` is about false positives and coverage."""
    rows: list[dict[str, str | int | float | bool]] = []
    for number, design in enumerate(designs()):
        found = calibrate(design, DRAWS, np.random.default_rng([2026, number]))
        least, most = design.bounds
        within = least <= found["false_positives"] <= most and 1 - most <= found["coverage"] <= 1 - least
        rows.append(
            {
                "subjects": design.subjects,
                "seeds": design.seeds,
                "sd_subject": design.sd_subject,
                "sd_seed": design.sd_seed,
                "sd_residual": design.sd_residual,
                "draws": DRAWS,
                **{name: round(share, 4) for name, share in found.items()},
                "detectable": round(design.detectable, 5),
                "within_bounds": within,
            }
        )
    return rows
