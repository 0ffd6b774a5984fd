"""What a pilot says about two cells: the guide's quantities beside its thresholds, and go or stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ablab.comparison.guide import FRONT_CHANGE, RATIO

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the diagnosis; None where it was not measured."""

    name: str
    metric: str
    reference: float | None
    treatment: float | None
    wanted: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The table, and the advice. ``reasons`` stop; ``remarks`` do not."""

    measures: tuple[Measure, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def go(self) -> bool:
        """Whether nothing speaks against running the grid."""
        return not self.reasons


def diagnose(
    reference: Sequence[Metrics], treatment: Sequence[Metrics], failures: Sequence[str]
) -> Diagnosis:
    """Judge the finished pilot runs of both cells, one mapping of final metrics per seed.

    The test scores are not looked at: what is chosen here must not depend on them. Only the width of chance
    comes from the test recordings, and it does not say how well the decoder does.
    """
    measures = (
        _measure("validation r", "validation/pearson", reference, treatment, "above chance"),
        _measure("gradient ratio, front / head", "gradient/ratio", reference, treatment, f"> {RATIO}"),
        _measure(
            "  as the guide's script has it", "gradient/guide_ratio", reference, treatment, f"> {RATIO}"
        ),
        _measure("front weight change", "weights/front_change", reference, treatment, f"> {FRONT_CHANGE}"),
        _measure(
            "  as the guide's script has it",
            "weights/guide_change",
            reference,
            treatment,
            f"> {FRONT_CHANGE}",
        ),
    )
    reasons = [f"a trial failed: {failure}" for failure in failures]
    for name, runs in (("reference", reference), ("treatment", treatment)):
        reasons += _no_signal(name, runs)
    return Diagnosis(measures, tuple(reasons), tuple(_remarks(measures)))


def _no_signal(name: str, runs: Sequence[Metrics]) -> list[str]:
    scores = [run["validation/pearson"] for run in runs if "validation/pearson" in run]
    if not scores:
        return [f"the {name} cell has no finished run"]
    chance = max((run["test/chance_p95"] for run in runs if "test/chance_p95" in run), default=0.0)
    mean = fmean(scores)
    if mean > max(chance, 0.0):
        return []
    return [
        f"validation r of the {name} cell is {mean:.3f}, not above chance ({max(chance, 0.0):.3f}):"
        " more epochs, another learning rate, or data without signal"
    ]


def _remarks(measures: Sequence[Measure]) -> list[str]:
    by_name = {measure.name: measure for measure in measures}
    remarks = []
    for name, wanted in (("gradient ratio, front / head", RATIO), ("front weight change", FRONT_CHANGE)):
        value = by_name[name].treatment
        if value is not None and value <= wanted:
            remarks.append(f"{name} of the treatment is {value:.3f}; the guide expects more than {wanted}")
    return remarks


def _measure(
    name: str, metric: str, reference: Sequence[Metrics], treatment: Sequence[Metrics], wanted: str
) -> Measure:
    return Measure(name, metric, _mean(reference, metric), _mean(treatment, metric), wanted)


def _mean(runs: Sequence[Metrics], metric: str) -> float | None:
    values = [run[metric] for run in runs if metric in run and math.isfinite(run[metric])]
    return fmean(values) if values else None
