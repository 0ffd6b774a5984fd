"""What checking claims gives, as values: the verdict on each, its evidence, the numbers to draw it from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ablab.spec.claims import Claim

ClaimVerdict = Literal[
    "CONFIRMED", "DIRECTION ONLY", "REFUTED", "INCONCLUSIVE", "NOT TESTABLE", "INCONSISTENT"
]

MEANING: Mapping[ClaimVerdict, str] = {
    "CONFIRMED": "the interval lies wholly inside the claim",
    "DIRECTION ONLY": "an effect in the claimed direction, smaller than claimed",
    "REFUTED": "the interval excludes the claim",
    "INCONCLUSIVE": "the interval neither excludes the claim nor lies inside it",
    "NOT TESTABLE": "undefined, not measured, or the data cannot decide it",
    "INCONSISTENT": "the source's own arithmetic contradicts it",
}
"""Verdict -> what it says, in display order."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a claim's quantity came to."""

    estimate: float
    low: float
    """Interval; equal to the estimate where the value is exact."""
    high: float
    statistic: str
    """How it was got: ``arithmetic``, ``count``, or the exact name of the test behind the interval."""
    n_seeds: int | None = None
    """None where no run is behind it."""
    n_subjects: int | None = None
    """None where the metric has one value per run."""
    no_effect: float | None = None
    """The value of no effect: 0 of a difference, 1 of a ratio; None where there is none."""

    @property
    def exact(self) -> bool:
        """Whether there is nothing random about it."""
        return self.n_seeds is None


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One claim and what became of it."""

    name: str
    """Its key in the file."""
    claim: Claim
    verdict: ClaimVerdict
    evidence: str
    """Why, in one sentence."""
    measured: Measured | None = None
    """None where the claim was not testable."""
    exploratory: bool = False
    """Whether fewer than five seeds stand behind it."""

    @property
    def is_ratio(self) -> bool:
        """Whether claim and measurement belong on a logarithmic axis."""
        return self.claim.quantity.kind == "ratio"


@dataclass(frozen=True, slots=True)
class ClaimsReport:
    """A ledger checked, against a study or by its own arithmetic alone."""

    ledger: str
    """The ledger's name."""
    source: str
    study: str | None
    """None where only what needs no run was checked."""
    simulated: bool
    """Whether the study's recordings are made up; False without a study."""
    alpha: float
    claims: tuple[CheckedClaim, ...]
    """In the order of the file."""
    not_checked: int = 0
    """Claims that need a study, where none was given."""
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[ClaimVerdict, int]:
        """Verdict -> how many claims have it, in display order, those that occur."""
        found = Counter(claim.verdict for claim in self.claims)
        return {verdict: found[verdict] for verdict in get_args(ClaimVerdict) if found[verdict]}
