"""What did not enter a comparison, and why: nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablab.comparison.table import Paired
from ablab.comparison.values import Excluded
from ablab.spec.record import RunRecord

STATES = {"failed": "failed", "killed": "killed", "running": "still running"}


def left_out(
    cells: Mapping[str, Sequence[RunRecord]],
    scored: Mapping[str, frozenset[int]],
    pairs: Mapping[str, Paired],
    baseline: str,
) -> tuple[Excluded, ...]:
    """Seeds and subjects of each cell that did not enter its effect: not run, not finished, no partner.

    cells: cell id -> its runs of any status. scored: cell id -> seeds with a score. pairs: cell id, but for
    the baseline's -> its differences.
    """
    every_seed = sorted({run.seed for runs in cells.values() for run in runs})
    excluded: list[Excluded] = []
    for cell, runs in cells.items():
        label = runs[0].label if runs else cell
        by_seed = {run.seed: run for run in runs}
        for seed in every_seed:
            run = by_seed.get(seed)
            if run is None:
                excluded.append(Excluded(cell, label, "no run of this seed", seed))
            elif seed not in scored[cell]:
                excluded.append(Excluded(cell, label, _reason(run), seed, key=run.key))
            elif seed not in scored[baseline]:
                reason = "the reference has no score under this seed"
                excluded.append(Excluded(cell, label, reason, seed, key=run.key))
        if cell in pairs and pairs[cell].seeds:
            reason = "not scored under every seed in both arms"
            for subject in pairs[cell].lost_subjects:
                excluded.append(Excluded(cell, label, reason, subject=subject))
    return tuple(excluded)


def not_declared(runs: Sequence[RunRecord]) -> tuple[Excluded, ...]:
    """Runs under the study's name that its grid, as last declared, does not hold."""
    reason = "not of the grid as last declared"
    return tuple(Excluded(run.cell, run.label, reason, run.seed, key=run.key) for run in runs)


def _reason(run: RunRecord) -> str:
    if run.status == "finished":
        return "finished without a score of this metric"
    state = STATES[run.status]
    return f"{state}: {run.error}" if run.error else state
