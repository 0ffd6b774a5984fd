"""What a gate compares and what it finds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ablab.spec.experiment import Experiment
from ablab.spec.record import SubjectScore
from ablab.tracking.store import Curve

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Finding = Literal["PASS", "FAIL", "INCONCLUSIVE", "SKIPPED"]
"""SKIPPED: could not be compared here, and why; it decides nothing."""

BASELINE, CANDIDATE = "baseline", "candidate"

EXIT_CODES: Mapping[Verdict, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}


@dataclass(frozen=True, slots=True)
class Measured:
    """One finished run, of the baseline or of the candidate."""

    cell: str
    """Its arm: BASELINE or CANDIDATE."""
    run_id: str
    key: str
    seed: int
    host: str
    metrics: Mapping[str, float]
    subjects: tuple[SubjectScore, ...]
    curves: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a lab has declared to be the state that must not get worse."""

    name: str
    study: str
    """Study that the runs were taken from."""
    cell: str
    label: str
    experiment: Experiment
    data_fingerprint: str
    code_fingerprint: str
    environment: Mapping[str, str]
    """Versions, commit and machine of the promoting process."""
    who: str
    when: str
    """ISO 8601, UTC."""
    why: str
    runs: tuple[Measured, ...]
    """By rising seed."""
    version: int = 0
    """Number in the model registry; 0 while it is not registered."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of its runs."""
        return tuple(run.seed for run in self.runs)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the code as it is now has made of the same seeds."""

    experiment: Experiment
    data_fingerprint: str
    code_fingerprint: str
    runs: tuple[Measured, ...]
    repeat: Measured | None = None
    """The first seed once more, where determinism is checked."""
    same_predictions: bool | None = None
    """Whether both predict the same bits; None where that was not looked at."""
    failures: tuple[str, ...] = ()
    """Why trials ended without a result, one line each."""
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check, and the numbers behind it; None where a check has no such number."""

    name: str
    finding: Finding
    reason: str
    """One sentence, with its numbers."""
    baseline: float | None = None
    candidate: float | None = None
    delta: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    margin: float | None = None
    sampled: bool = False
    """Whether more seeds can decide it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All checks at one look."""

    checks: tuple[CheckResult, ...]
    primary: str
    """Name of the check that is reported first."""
    identical: bool
    """Whether every difference in score is exactly zero."""
    n_seeds: int
    n_subjects: int
    look: int
    alpha: float
    """One-sided, of this look."""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """FAIL where a check fails, else INCONCLUSIVE where one is, else PASS."""
        found = {check.finding for check in self.checks}
        return "FAIL" if "FAIL" in found else "INCONCLUSIVE" if "INCONCLUSIVE" in found else "PASS"

    @property
    def more_seeds_may_decide(self) -> bool:
        """Whether the only open checks are those that more seeds can close."""
        if self.verdict != "INCONCLUSIVE":
            return False
        return all(check.sampled for check in self.checks if check.finding == "INCONCLUSIVE")

    @property
    def first(self) -> CheckResult:
        """The primary check."""
        return next(check for check in self.checks if check.name == self.primary)


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate that has ended, as it is printed, stored and shown in the history."""

    regression: str
    """The gate's name in its file."""
    study: str
    gate: str
    """Id of this gate: when it began, and a few random digits."""
    run_id: str
    """Its own run in MLflow."""
    baseline: str
    version: int
    began: str
    """ISO 8601, UTC."""
    seconds: float
    judgement: Judgement
    looks: int
    """Declared."""
    baseline_code: str
    candidate_code: str
    data_fingerprint: str
    runs: tuple[str, ...]
    """MLflow ids of the candidate's runs."""
    baseline_mean: float | None
    """Of the primary metric, over the seeds that were compared."""
    candidate_mean: float | None
    hook: str | None = None
    """What became of the command on FAIL; None where none was run."""

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE."""
        return self.judgement.verdict
