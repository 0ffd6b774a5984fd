"""A training step in our form and in the plain one: forward, backward, update; time and peak memory.

Every decoder lives in a process of its own with one thread, so that its peak memory is its own; the two forms
of a case take turns, step by step, so that a machine that drifts slows both. Times on a CPU are CPU seconds
of the process. Memory is the peak over the training steps, less what the process held before the first.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks.trainee import Step, Trainee

Row = dict[str, str | int | float]

SIZES = [
    Step("ours", d_model=64, n_layers=2, batch=16, seconds=10.0),
    Step("ours", d_model=256, n_layers=2, batch=8, seconds=10.0),
    Step("ours", d_model=256, n_layers=8, batch=8, seconds=10.0),
]
QUICK_ROUNDS, FULL_ROUNDS = (3, 2, 1), (9, 9, 5)
"""Rounds that count, by size."""

_SMALL = Step("ours", d_model=64, n_layers=2, batch=4, seconds=10.0)
GROWTH = {
    "window": [replace(_SMALL, batch=1, seconds=seconds) for seconds in (2.5, 10.0, 40.0, 5.0, 20.0)],
    "depth": [replace(_SMALL, n_layers=n_layers) for n_layers in (1, 2, 8, 4)],
    "batch": [replace(_SMALL, batch=batch) for batch in (1, 4, 16, 2, 8)],
}
QUICK_POINTS = 3
"""So many points of each growth are measured at once; the others in a full run."""


def measure(full: bool = False) -> list[Row]:
    """One row per case: both forms and their ratios, the median over rounds; ``full`` does more of both."""
    all_rounds = FULL_ROUNDS if full else QUICK_ROUNDS
    rows = [
        {"part": "size", **compared(case, rounds)} for case, rounds in zip(SIZES, all_rounds, strict=True)
    ]
    for part, cases in GROWTH.items():
        points = cases if full else cases[:QUICK_POINTS]
        rows += [{"part": f"growth with {part}", **compared(case, 5 if full else 2)} for case in points]
    return rows


def compared(case: Step, rounds: int) -> Row:
    """Both forms of a case in turns, behind one step each that does not count."""
    forms = {form: Trainee(replace(case, form=form)) for form in ("plain", "ours")}
    taken = [{form: trainee.step_seconds() for form, trainee in forms.items()} for _ in range(rounds + 1)][1:]
    memory = {form: trainee.end() for form, trainee in forms.items()}
    used = {form: found["peak"] - found["before"] for form, found in memory.items()}
    return {
        "d_model": case.d_model,
        "blocks": case.n_layers,
        "batch": case.batch,
        "window_s": case.seconds,
        "plain_ms": round(1000 * statistics.median(seconds["plain"] for seconds in taken)),
        "ours_ms": round(1000 * statistics.median(seconds["ours"] for seconds in taken)),
        "times_as_fast": round(statistics.median(each["plain"] / each["ours"] for each in taken), 2),
        "plain_mib": round(used["plain"]),
        "ours_mib": round(used["ours"]),
        "memory_ratio": round(used["ours"] / used["plain"], 2),
        "whole_process_memory_ratio": round(memory["ours"]["peak"] / memory["plain"]["peak"], 2),
    }
