"""What a report of a study tells, as values: all that its renderers need, nothing that they compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablab.comparison.findings import Findings
from ablab.comparison.mechanism_values import MechanismReport
from ablab.comparison.values import Comparison
from ablab.spec.record import RunRecord


@dataclass(frozen=True, slots=True)
class Course:
    """A cell's validation r over training: mean over seeds, and their standard deviation as a band."""

    cell: str
    label: str
    steps: tuple[int, ...]
    """Steps at which every one of the cell's finished runs was evaluated."""
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    """Over seeds, at each step; empty with one seed."""
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What the study took."""

    runs: int
    """Of any status."""
    finished: int
    seconds: float
    """Of all runs, those that failed included."""
    gpu_seconds: float
    """The same, times the number of GPUs, of the runs that trained on GPUs."""
    by_cell: tuple[tuple[str, int, float], ...]
    """(label, runs, seconds) in the order of the comparison's rows."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the runs come from, and how to make them again."""

    command: str
    """Makes the study again, from the folder that it was run in."""
    written: str
    """When the report was written; ISO 8601, UTC."""
    data_fingerprints: tuple[str, ...]
    code_fingerprints: tuple[str, ...]
    origin: Mapping[str, tuple[str, ...]]
    """``git_commit``, ``torch_version``, ``device`` ... -> the values that the runs were made with."""
    store: str


@dataclass(frozen=True, slots=True)
class StudyReport:
    """A study as a report tells it. A part that is None, the claims too, has its reason in ``absent``."""

    findings: Findings
    records: tuple[RunRecord, ...]
    """The study's runs as last declared, of any status."""
    courses: tuple[Course, ...]
    """Learning curves, in the order of the comparison's rows."""
    mechanism: MechanismReport | None
    cost: Cost
    provenance: Provenance
    absent: Mapping[str, str]
    """Name of a part -> why the report cannot show it."""

    @property
    def comparison(self) -> Comparison:
        """Every cell against the reference."""
        return self.findings.comparison
