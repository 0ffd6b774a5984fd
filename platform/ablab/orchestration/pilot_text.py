"""A pilot's diagnosis in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ablab.comparison import figures
from ablab.orchestration.pilot import PilotResult


def lines(pilot: PilotResult, source: Path) -> tuple[str, ...]:
    """What ``grid pilot`` prints; ``source`` is the grid's file as the user named it."""
    facts, diagnosis = pilot.facts, pilot.diagnosis
    names = (pilot.reference.label, pilot.treatment.label)
    width = max(12, *(len(name) for name in names))
    head = f"{'':32}{names[0]:>{width}}  {names[1]:>{width}}   wanted"
    rows = [
        f"{measure.name:32}{figures.plain(measure.reference, 3):>{width}}"
        f"  {figures.plain(measure.treatment, 3):>{width}}   {measure.wanted}"
        for measure in diagnosis.measures
    ]
    per_epoch = [facts.seconds_per_epoch.get(cell.id) for cell in (pilot.reference, pilot.treatment)]
    times = [figures.NONE if seconds is None else f"{seconds:.2g} s" for seconds in per_epoch]
    rows.append(f"{'time per epoch':32}{times[0]:>{width}}  {times[1]:>{width}}")
    seeds = figures.plural(facts.n_seeds, "seed")
    return (
        f"pilot of {pilot.result.study}: {figures.plural(facts.epochs, 'epoch')}, {seeds}; never compared",
        head,
        *rows,
        *(f"note    {remark}" for remark in diagnosis.remarks),
        *(
            ("go      nothing speaks against the grid",)
            if diagnosis.go
            else tuple(f"stop    {reason}" for reason in diagnosis.reasons)
        ),
        f"next    ablab grid {'plan' if diagnosis.go else 'pilot'} {source}",
    )


def as_json(pilot: PilotResult) -> Mapping[str, object]:
    """The object that ``grid pilot --json`` prints; its schema is ``docs/json/grid_pilot.json``."""
    return {
        **pilot.result.as_json(),
        "reference": pilot.reference.id,
        "treatment": pilot.treatment.id,
        "epochs": pilot.facts.epochs,
        "go": pilot.diagnosis.go,
        "reasons": list(pilot.diagnosis.reasons),
        "remarks": list(pilot.diagnosis.remarks),
        "measures": [
            {
                "name": measure.name.strip(),
                "metric": measure.metric,
                "reference": measure.reference,
                "treatment": measure.treatment,
                "wanted": measure.wanted,
            }
            for measure in pilot.diagnosis.measures
        ],
        "seconds_per_epoch": dict(pilot.facts.seconds_per_epoch),
    }
