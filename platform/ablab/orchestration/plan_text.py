"""A plan in a few lines for the terminal."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from ablab.designs.controls import is_control
from ablab.orchestration.plan import Plan
from ablab.spec.experiment import Simulated

_SHOWN_CELLS = 24
"""More cells than this are counted, not listed."""

_AHEAD = {"failed": "will retry", "killed": "will retry"}


def lines(plan: Plan, source: Path) -> tuple[str, ...]:
    """What ``grid plan`` prints; ``source`` is the grid's file as the user named it."""
    return (
        _head(plan),
        *_cells(plan),
        *(() if plan.offline else (_data(plan), _state(plan), _cost(plan, source), _power(plan))),
        f"next    {_next(plan, source)}",
    )


def _next(plan: Plan, source: Path) -> str:
    if not plan.offline and all(each.state == "done" for each in plan.trials):
        return f"ablab compare {plan.study}"
    return f"ablab grid run {source}"


def _head(plan: Plan) -> str:
    grid = plan.grid
    names = [key.rpartition(".")[2] for key in grid.factors]
    sizes = " x ".join(
        f"{name}({len(levels)})" for name, levels in zip(names, grid.factors.values(), strict=True)
    )
    if grid.design != "full_factorial":
        sizes = f"{grid.design} {sizes}".strip()
    n_cells, n_seeds = len(plan.cells), len(grid.seeds)
    n_controls = sum(is_control(cell.id) for cell in plan.cells)
    if n_controls:
        sizes += f" + {n_controls} control{'s' if n_controls > 1 else ''}"
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    return f"{plan.study}: {sizes} = {n_cells} cells x {seeds} = {n_cells * n_seeds} trials"


def _cells(plan: Plan) -> tuple[str, ...]:
    if not plan.offline:
        return ()
    shown = [f"  {cell.id}" for cell in plan.cells[:_SHOWN_CELLS]]
    left = len(plan.cells) - len(shown)
    seeds = ", ".join(str(seed) for seed in plan.grid.seeds)
    return (*shown, *((f"  ... {left} more",) if left else ()), f"seeds   {seeds}")


def _data(plan: Plan) -> str:
    assert plan.data is not None
    dataset, data = plan.cells[0].experiment.dataset, plan.data
    where = "simulated (made up)" if isinstance(dataset, Simulated) else dataset.path
    size = f"{data.n_subjects} subjects, {data.n_recordings} recordings, {data.minutes:.0f} min"
    leaked = str(data.leaked_segments) if data.leaked_segments else "none"
    if data.accepted:
        leaked += f" (accepted: {data.accepted})"
    shared = "   same stimulus in several recordings" if data.shared_stimuli else ""
    return f"data    {where}   {size}   segments leaked: {leaked}{shared}"


def _state(plan: Plan) -> str:
    counts = Counter(each.state for each in plan.trials)
    parts = [f"done {counts['done']}"]
    for state in ("failed", "killed", "stale", "running", "missing"):
        if counts[state] or state in ("stale", "missing"):
            note = f" ({_AHEAD[state]})" if state in _AHEAD else ""
            parts.append(f"{state} {counts[state]}{note}")
    to_run = counts["failed"] + counts["killed"] + counts["missing"]
    stale = " (and the stale, with --stale rerun)" if counts["stale"] else ""
    return f"state   {'   '.join(parts)}    -> to run {to_run}{stale}"


def _cost(plan: Plan, source: Path) -> str:
    if plan.cost is None:
        counts = Counter(each.state for each in plan.trials)
        if counts["failed"] + counts["killed"] + counts["missing"] == 0:
            return "cost    nothing to run"
        return f"cost    unknown; measured by: ablab grid pilot {source}"
    cost = plan.cost
    workers = "1 worker" if cost.workers == 1 else f"{cost.workers} workers"
    return (
        f"cost    {cost.source} -> {_long(cost.seconds_per_trial)} per trial,"
        f" {_long(cost.seconds_total)} in all, about {_long(cost.seconds_wall)} on {workers}"
    )


def _power(plan: Plan) -> str:
    power = plan.power
    if power is None:
        return "power   unknown; a pilot or finished runs of both cells of the contrast give the variances"
    seeds = "1 seed" if power.n_seeds == 1 else f"{power.n_seeds} seeds"
    if math.isinf(power.detectable):
        from ablab.comparison.quasi_t import LEAST_SEEDS  # an offline plan has no need of numpy

        fewest = f"({LEAST_SEEDS} seeds and 2 subjects are the fewest)"
        return f"power   {seeds}, {power.n_subjects} subjects: no test is possible {fewest}"
    verdict = "enough" if power.detectable <= power.sesoi else "too few seeds"
    few = "; fewer than 5 seeds read exploratory" if power.n_seeds < 5 else ""
    return (
        f"power   {seeds} detect {power.detectable:.3f} in test r at 80 % ({power.source});"
        f" SESOI {power.sesoi:.3f}: {verdict}{few}"
    )


def _long(seconds: float) -> str:
    """A duration to two digits.

    >>> _long(8.4), _long(250), _long(11880)
    ('8.4 s', '4.2 min', '3.3 h')
    """
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
