"""What a run is once it has ended: the value that stores hand out and comparisons read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ablab.spec.experiment import Experiment, Level

Status = Literal["finished", "failed", "killed", "running"]
Role = Literal["seed", "pilot", "search", "candidate"]
"""seed: a replicate of a cell, read by comparisons. pilot, search: never compared. candidate: trained by a
regression gate and compared with its baseline only."""


@dataclass(frozen=True, slots=True)
class SubjectScore:
    """One subject's scores in one run; r is the mean over the subject's recordings."""

    subject: str
    n_recordings: int
    """Test recordings."""
    n_segments: int
    """Test segments."""
    validation: float | None
    """Mean validation r at the chosen checkpoint; None where the subject has no validation data."""
    test: float
    """Mean test r at the chosen checkpoint."""
    chance_mean: float
    """Mean of the circular-shift null of ``test``."""
    chance_p95: float
    """95th percentile of that null."""
    seen: bool = True
    """Whether the subject has training data; the others are decoded with the mean subject embedding and
    never enter ``test/pearson``."""
    chance_p: float | None = None
    """Share of that null at least as high as ``test``, which counts as one of it; None in runs of earlier
    versions."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with everything a comparison may ask of it.

    A run that is not finished has no subjects, and only the metrics it got to.
    """

    run_id: str
    key: str
    study: str
    cell: str
    """The cell's id."""
    label: str
    seed: int
    factors: Mapping[str, Level]
    role: Role
    status: Status
    experiment: Experiment
    data_fingerprint: str
    code_fingerprint: str
    started: str
    """ISO 8601, UTC."""
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Last value of every metric, e.g. ``test/pearson``, ``gradient/ratio``, ``model/parameters``."""
    subjects: tuple[SubjectScore, ...] = ()
    error: str | None = None
    """First line of what went wrong, for failed and killed runs."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it was made: ``git_commit``, versions, ``host``, ``device``; what is not known is absent."""
