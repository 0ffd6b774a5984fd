"""Each subject of a cell against chance: the circular-shift nulls of its runs, put together over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablab.spec.record import RunRecord, SubjectScore


@dataclass(frozen=True, slots=True)
class SubjectChance:
    """One subject, over the finished runs of a cell."""

    subject: str
    r: float
    """Mean test r over the runs."""
    chance_mean: float
    """Mean of the nulls' means."""
    chance_p95: float
    """Largest 95th percentile of the nulls."""
    p_value: float | None
    """Largest p over the runs, each (1 + draws at least as high) / (1 + draws); None where a run of an
    earlier version is among them."""
    n_runs: int


def subject_chance(runs: Sequence[RunRecord]) -> tuple[SubjectChance, ...]:
    """The subjects that the cell's decoders were trained on, in the order of their first run."""
    scores: dict[str, list[SubjectScore]] = {}
    for run in runs:
        if run.status == "finished":
            for score in run.subjects:
                if score.seen:
                    scores.setdefault(score.subject, []).append(score)
    return tuple(_of(subject, of) for subject, of in scores.items())


def _of(subject: str, scores: Sequence[SubjectScore]) -> SubjectChance:
    p_values = [score.chance_p for score in scores if score.chance_p is not None]
    return SubjectChance(
        subject=subject,
        r=sum(score.test for score in scores) / len(scores),
        chance_mean=sum(score.chance_mean for score in scores) / len(scores),
        chance_p95=max(score.chance_p95 for score in scores),
        p_value=max(p_values) if len(p_values) == len(scores) else None,
        n_runs=len(scores),
    )
