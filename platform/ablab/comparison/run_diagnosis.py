"""One run, layer group by layer group: what was measured of it, as values. Never a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablab.comparison.guide import Check, Curves, Measure, checklist, measures
from ablab.comparison.mechanism_values import STACK
from ablab.spec.experiment import Experiment
from ablab.spec.record import RunRecord

_PLACES = ("front_end", "se", "subject", STACK, "gate", "head")


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What was measured of a layer group; None where it was not."""

    group: str
    gradient_rms: float | None
    """At the last observed step."""
    gradient_ratio: float | None
    """To the head, mean over the observed steps."""
    update_ratio: float | None
    """Mean over the observed steps."""
    drift: float | None
    path_efficiency: float | None
    bypass: float | None
    """Validation r lost when what it adds is replaced by its mean."""


@dataclass(frozen=True, slots=True)
class RunDiagnosis:
    """The diagnosis of one run or checkpoint."""

    name: str
    source: str
    """What it was read from."""
    rows: tuple[GroupRow, ...]
    measures: tuple[Measure, ...]
    details: Mapping[str, float]
    """Gate, branches, clipping, bypass of the stack."""
    checks: tuple[Check, ...]
    curves: Curves
    notes: tuple[str, ...] = ()


_DETAILS = (
    "gate/mean",
    "gate/sd",
    "branch/stack_rms",
    "branch/input_rms",
    "branch/stack_share",
    "gradient/clip_fraction",
    f"bypass/{STACK}",
)


def diagnose(
    name: str,
    source: str,
    metrics: Mapping[str, float],
    *,
    curves: Curves | None = None,
    experiment: Experiment | None = None,
    study: Sequence[RunRecord] = (),
    notes: Sequence[str] = (),
) -> RunDiagnosis:
    """Put a run's final metrics and curves in order."""
    curves = curves or {}
    return RunDiagnosis(
        name=name,
        source=source,
        rows=tuple(_row(group, metrics) for group in groups_in(metrics)),
        measures=measures(metrics),
        details={key: metrics[key] for key in _DETAILS if key in metrics},
        checks=checklist(metrics, curves, experiment, study),
        curves=curves,
        notes=tuple(notes),
    )


def groups_in(names: Iterable[str]) -> list[str]:
    """Layer groups that metrics are about, front to rear.

    >>> groups_in(["weights/drift/head", "gradient/rms/layer_stack.10", "weights/drift/layer_stack.2"])
    ['layer_stack.2', 'layer_stack.10', 'head']
    """
    found = {
        name.removeprefix(prefix)
        for name in names
        for prefix in ("weights/drift/", "gradient/rms/")
        if name.startswith(prefix)
    }
    return sorted(found, key=_place)


def _place(group: str) -> tuple[int, int, str]:
    name, _, index = group.rpartition(".")
    known = _PLACES.index(name or group) if (name or group) in _PLACES else len(_PLACES) - 2
    return known, int(index) if index.isdigit() else 0, group


def _row(group: str, metrics: Mapping[str, float]) -> GroupRow:
    return GroupRow(
        group,
        gradient_rms=metrics.get(f"gradient/rms/{group}"),
        gradient_ratio=metrics.get(f"gradient/ratio_mean/{group}"),
        update_ratio=metrics.get(f"update_ratio_mean/{group}"),
        drift=metrics.get(f"weights/drift/{group}"),
        path_efficiency=metrics.get(f"path_efficiency/{group}"),
        bypass=metrics.get(f"bypass/{group}"),
    )
