"""How often the nightly gate errs over 200 simulated nights: its whole judgement, on made-up scores.

Every night draws a baseline and a candidate of the same code that are not the same bits: score[s, k] = level
+ subject + (subject x arm) + (seed within arm) + residual, so that the paired differences have the given SDs.
``loss`` is taken off the candidate. Diagnostics, parameters and learning curves vary as well, and all checks
of ``ablations/regression_nightly.yaml`` judge. ``one_baseline``: 10 baselines, 200 nights against each, the
largest false-alarm rate of any.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablab.regression.judge import judge
from ablab.regression.looks import alpha_of_look, sizes
from ablab.regression.values import BASELINE, CANDIDATE, Baseline, Candidate, Measured, Verdict
from ablab.spec.experiment import Experiment
from ablab.spec.load_regression import load_regression
from ablab.spec.record import SubjectScore
from ablab.spec.regression import Regression

NIGHTS = 200
_NIGHTLY = Path(__file__).resolve().parents[1] / "ablations" / "regression_nightly.yaml"
_EXPERIMENT = Experiment(name="nightly")
_STEPS = tuple(range(100, 1100, 100))


@dataclass(frozen=True, slots=True)
class World:
    """SDs of the paired differences, and what the code has lost."""

    n_subjects: int = 71
    sd_subject: float = 0.005
    sd_seed: float = 0.006
    sd_residual: float = 0.01
    loss: float = 0.0


WORLDS: Mapping[str, World] = {
    "unchanged, 71 subjects": World(),
    "unchanged, 8 subjects": World(n_subjects=8),
    "unchanged, restless seeds": World(sd_seed=0.015),
    "lost half the margin": World(loss=0.005),
    "lost the margin": World(loss=0.01),
    "lost twice the margin": World(loss=0.02),
    "lost four times the margin": World(loss=0.04),
}


def measure() -> list[dict[str, str | float]]:
    """One row per world."""
    regression = load_regression(_NIGHTLY).regression
    rows: list[dict[str, str | float]] = []
    for name, world in WORLDS.items():
        rng = np.random.default_rng(1)
        nights = [night(regression, world, rng) for _ in range(NIGHTS)]
        rows.append({"world": name, "nights": NIGHTS, **rates([verdict for verdict, _ in nights])})
        rows[-1]["mean_seeds"] = round(float(np.mean([seeds for _, seeds in nights])), 2)
    worst = 0.0
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        fixed = arm(BASELINE, WORLDS["unchanged, 71 subjects"], regression.max_seeds or 0, rng, loss=0.0)
        found = [night(regression, World(), rng, fixed)[0] for _ in range(NIGHTS)]
        worst = max(worst, found.count("FAIL") / NIGHTS)
    rows.append({"world": "one_baseline", "nights": 10 * NIGHTS, "FAIL": worst})
    return rows


def rates(verdicts: list[Verdict]) -> dict[str, float]:
    """Share of each verdict."""
    counts = Counter(verdicts)
    return {name: counts[name] / len(verdicts) for name in ("PASS", "FAIL", "INCONCLUSIVE")}


def night(
    regression: Regression,
    world: World,
    rng: np.random.Generator,
    fixed: tuple[Measured, ...] | None = None,
) -> tuple[Verdict, int]:
    """One gate with all its looks: the verdict, and the seeds it took."""
    most = regression.max_seeds or len(regression.seeds)
    before = fixed or arm(BASELINE, world, most, rng, loss=0.0)
    now = arm(CANDIDATE, world, most, rng, loss=world.loss)
    baseline = Baseline("b", "s", "c", "c", _EXPERIMENT, "data", "code", {}, "", "", "", before, 1)
    for look, size in enumerate(sizes(regression, most), 1):
        candidate = Candidate(_EXPERIMENT, "data", "code", now[:size], device="cuda")
        judgement = judge(regression, baseline, candidate, look=look, alpha=alpha_of_look(regression))
        if not judgement.more_seeds_may_decide:
            break
    return judgement.verdict, size


def arm(name: str, world: World, n_seeds: int, rng: np.random.Generator, loss: float) -> tuple[Measured, ...]:
    """The runs of one arm; half of the variance of a difference comes from each."""
    half = 1 / math.sqrt(2)
    shape = (world.n_subjects, n_seeds)
    levels = 0.19 + 0.06 * np.random.default_rng(0).standard_normal((world.n_subjects, 1))
    subject = half * world.sd_subject * rng.standard_normal((world.n_subjects, 1))
    seed = half * world.sd_seed * rng.standard_normal((1, n_seeds))
    scores = levels + subject + seed + half * world.sd_residual * rng.standard_normal(shape) - loss
    return tuple(_run(name, number, column, rng) for number, column in enumerate(scores.T))


def _run(name: str, seed: int, scores: NDArray[np.float64], rng: np.random.Generator) -> Measured:
    groups = ("front_end", "se", "subject", *(f"layer_stack.{n}" for n in range(8)), "gate", "head")
    metrics = {
        f"weights/drift/{group}": float(0.3 * math.exp(0.1 * rng.standard_normal())) for group in groups
    }
    metrics["gradient/ratio_mean"] = float(0.1 * math.exp(0.2 * rng.standard_normal()))
    metrics["throughput/windows_per_second"] = float(1000 * (1 + 0.03 * rng.standard_normal()))
    metrics["memory/peak_mib"] = float(9000 * (1 + 0.01 * rng.standard_normal()))
    metrics["model/parameters"] = 15588161.0
    final = float(scores.mean())
    curve = [(s, final * (1 - math.exp(-s / 200)) + 0.004 * float(rng.standard_normal())) for s in _STEPS]
    subjects = tuple(
        SubjectScore(f"sub-{n:03d}", 5, 60, float(r), float(r), 0.0, 0.05) for n, r in enumerate(scores)
    )
    metrics["test/pearson"] = final
    curves = {"validation/pearson": tuple(curve)}
    return Measured(name, f"{name}-{seed}", f"{seed:032x}", seed, "gpu-1", metrics, subjects, curves)
