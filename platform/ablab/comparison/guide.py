"""The guide's thresholds, and its post-training checklist answered with numbers. Pure; decides nothing.

The guide reads a front that learns off two numbers, neither of which shows it: the gradient ratio follows
the gradient scale by construction, and weights that move need not matter. They stand beside its thresholds
because its readers look for them; verdicts are `ablab.comparison.mechanism`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ablab.spec.experiment import Experiment
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.record import RunRecord

RATIO = 0.1
"""Front gradient over head gradient that the guide wants to see exceeded."""
FRONT_CHANGE = 0.01
"""Relative weight change of the front layer, likewise."""
VALIDATION = 0.3
"""Validation r, likewise."""
NORMS = (1.0, 10.0)
"""Gradient norms between which the guide calls a training healthy."""

IMPROVEMENTS = ("improvements.residual", "improvements.mlp_head", "improvements.gradient_scale")

Answer = Literal["yes", "no", "unknown"]
Curves = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity beside the guide's threshold; None where it was not measured."""

    name: str
    value: float | None
    wanted: str


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a checklist."""

    line: str
    answer: Answer
    number: str
    """What the answer rests on."""


def measures(metrics: Mapping[str, float]) -> tuple[Measure, ...]:
    """The guide's three quantities, its own way of taking the first two beside the sound one."""
    return (
        Measure("gradient ratio, front / head", metrics.get("gradient/ratio"), f"> {RATIO}"),
        Measure("  mean over training", metrics.get("gradient/ratio_mean"), f"> {RATIO}"),
        Measure("  as the guide's script has it", metrics.get("gradient/guide_ratio"), f"> {RATIO}"),
        Measure("  without the gradient scale", metrics.get("gradient/ratio_unscaled"), f"> {RATIO}"),
        Measure("front weight change", metrics.get("weights/front_change"), f"> {FRONT_CHANGE}"),
        Measure("  as the guide's script has it", metrics.get("weights/guide_change"), f"> {FRONT_CHANGE}"),
        Measure("validation r", metrics.get("validation/pearson"), f"> {VALIDATION}"),
    )


def checklist(
    metrics: Mapping[str, float],
    curves: Curves,
    experiment: Experiment | None,
    study: Sequence[RunRecord] = (),
) -> tuple[Check, ...]:
    """The guide's checks after training, each with its number.

    metrics: final values of a run. curves: their course. study: the runs beside it, of any status.
    """
    ratio, change = metrics.get("gradient/guide_ratio"), metrics.get("weights/front_change")
    return (
        _above("gradient of the front is above 0.1 of the head's", ratio, RATIO),
        _above("weights of the front changed by more than 0.01", change, FRONT_CHANGE),
        _above("validation r is above 0.3", metrics.get("validation/pearson"), VALIDATION),
        _rising(curves),
        _norms(curves),
        _drift(curves),
        _above_chance(metrics),
        _switched_on(experiment),
        _best(metrics),
        _scales(study),
        _own_effects(study),
    )


def _above(line: str, value: float | None, limit: float) -> Check:
    if value is None:
        return Check(line, "unknown", "not measured")
    return Check(line, "yes" if value > limit else "no", f"{value:.4g}")


def _rising(curves: Curves) -> Check:
    line = "validation r was still rising at the end"
    values = [value for _, value in curves.get("validation/pearson", ())]
    if len(values) < 2:
        return Check(line, "unknown", "evaluated fewer than twice")
    rising = values[-1] >= max(values[:-1])
    return Check(line, "yes" if rising else "no", f"{values[-2]:.4f} -> {values[-1]:.4f}")


def _norms(curves: Curves) -> Check:
    low, high = NORMS
    line = f"gradient norm stayed between {low:g} and {high:g}"
    values = [value for _, value in curves.get("gradient/norm", ())]
    if not values:
        return Check(line, "unknown", "not measured")
    inside = all(low <= value <= high for value in values)
    return Check(line, "yes" if inside else "no", f"{min(values):.3g} to {max(values):.3g}, epoch means")


def _drift(curves: Curves) -> Check:
    line = "weights of the front kept moving"
    points = curves.get("weights/front_change", ())
    if len(points) < 2:
        return Check(line, "unknown", "observed fewer than twice")
    first, last = points[0][1], points[-1][1]
    return Check(line, "yes" if last > first else "no", f"drift {first:.3g} -> {last:.3g}")


def _above_chance(metrics: Mapping[str, float]) -> Check:
    line = "test r is above chance (95th percentile)"
    r, chance = metrics.get("test/pearson"), metrics.get("test/chance_p95")
    if r is None or chance is None:
        return Check(line, "unknown", "not measured")
    return Check(line, "yes" if r > chance else "no", f"{r:.4f} against {chance:.4f}")


def _switched_on(experiment: Experiment | None) -> Check:
    line = "v2 is the model in use: residual, MLP head and gradient scale on"
    if experiment is None:
        return Check(line, "unknown", "no spec")
    on = experiment.improvements
    head = "MLP head" if on.mlp_head else "linear head"
    everything = on.residual != "none" and on.mlp_head and on.gradient_scale != 1
    number = f"residual {on.residual}, {head}, scale {on.gradient_scale:g}"
    return Check(line, "yes" if everything else "no", number)


def _best(metrics: Mapping[str, float]) -> Check:
    line = "the checkpoint was chosen by validation r"
    epoch = metrics.get("best_epoch")
    if epoch is None:
        return Check(line, "unknown", "no evaluation")
    return Check(line, "yes", f"epoch {epoch:.0f}")


def _scales(study: Sequence[RunRecord]) -> Check:
    line = "different gradient scales were compared"
    scales = sorted({run.experiment.improvements.gradient_scale for run in study if run.status == "finished"})
    if not scales:
        return Check(line, "unknown", "no study")
    return Check(line, "yes" if len(scales) > 1 else "no", ", ".join(f"{scale:g}" for scale in scales))


def _own_effects(study: Sequence[RunRecord]) -> Check:
    line = "each improvement was tested for its own effect"
    specs = {}
    for run in study:
        if run.status == "finished":
            flat = flatten(run.experiment)
            specs[run.cell] = {key: value for key, value in flat.items() if key not in NOT_IDENTITY}
    if not specs:
        return Check(line, "unknown", "no study")
    cells = list(specs.values())
    alone = {
        differing[0]
        for index, one in enumerate(cells)
        for other in cells[:index]
        if len(differing := [key for key in {**one, **other} if one.get(key) != other.get(key)]) == 1
    }
    tested = [key.rpartition(".")[2] for key in IMPROVEMENTS if key in alone]
    number = f"{len(tested)} of {len(IMPROVEMENTS)}" + (f": {', '.join(tested)}" if tested else "")
    return Check(line, "yes" if len(tested) == len(IMPROVEMENTS) else "no", number)
