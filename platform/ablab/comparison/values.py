"""What a comparison is, as values: effects, verdicts, rows, what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ablab.comparison.chance import SubjectChance
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.variance import Components
from ablab.spec.experiment import Level
from ablab.spec.grid import Placebo

ModelScope = Literal["pooled", "per_subject"]
"""pooled: one model per seed learns from all subjects. per_subject: every subject has models of its own."""

TestName = Literal["crossed quasi-t", "paired t-test over subjects", "paired t-test over seeds"]

VerdictKind = Literal[
    "reference",
    "improved",
    "worse",
    "higher",
    "lower",
    "equivalent",
    "inconclusive",
    "identical",
    "not tested",
]
"""improved, worse: the interval excludes 0, of a metric whose direction is known, with enough seeds.
higher, lower: the same without the claim."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an effect amounts to; ``comparison.verdicts`` puts it into words."""

    kind: VerdictKind
    size: Literal["relevant", "small"] | None = None
    """relevant: interval wholly beyond the smallest effect of interest; small: equivalent within it."""
    few_seeds: bool = False
    """Fewer than five seeds: exploratory, whatever was declared."""
    declared: bool = False
    """Whether this is the one contrast that was declared before anything was trained."""

    @property
    def exploratory(self) -> bool:
        """Whether this verdict may suggest, but not confirm."""
        return self.few_seeds or not self.declared


@dataclass(frozen=True, slots=True)
class MeanTest:
    """Test and interval of one mean; None where the test cannot be made, and ``refused`` says why."""

    mean: float | None
    name: TestName | None = None
    standard_error: float | None = None
    df: float | None = None
    p_value: float | None = None
    """None also where every value is zero: then p is undefined."""
    ci_low: float | None = None
    ci_high: float | None = None
    equivalence_low: float | None = None
    """1 - 2 alpha interval, the one that two one-sided tests (TOST) at alpha look at."""
    equivalence_high: float | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A cell against the reference, over the subjects and seeds that both have."""

    test: MeanTest
    n_subjects: int
    n_seeds: int
    identical: bool = False
    """Every single difference is exactly zero."""
    components: Components | None = None
    d_z: float | None = None
    """Mean over subjects of the seed-averaged difference, divided by its SD over subjects."""
    share_improved: float | None = None
    """Share of subjects whose seed-averaged difference is above zero."""
    share_low: float | None = None
    """Wilson interval of that share."""
    share_high: float | None = None
    superiority: float | None = None
    """Share of (subject, seed) pairs in which the cell is above the reference; ties count half."""
    seeds_needed: int | None = None
    """Seeds that would detect the smallest effect of interest with 80 % power, at these variances."""


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the comparison."""

    cell: str
    label: str
    factors: Mapping[str, Level]
    n_seeds: int
    """Finished runs of the cell that have a score."""
    n_subjects: int
    own: MeanTest
    """The cell's own mean and its interval."""
    sd_seeds: float | None
    """SD over seeds of the cell's mean."""
    effect: Effect | None
    """None for the reference."""
    verdict: Verdict
    gradient_ratio: float | None
    drift: float | None
    """Relative change of the front layer's weights over training."""
    parameters: int | None
    seconds: float | None
    """Mean duration of a run."""
    below_floor: bool = False
    below_chance: bool = False


@dataclass(frozen=True, slots=True)
class PlaceboArm:
    """One comparison of nothing with nothing."""

    kind: Placebo
    cell: str
    against: str
    effect: Effect
    verdict: Literal["difference", "no difference", "not tested"]
    """difference: the 1 - alpha interval excludes zero, which is a false positive."""
    above_chance: tuple[int, int] | None = None
    """Of no_eeg: in how many of both cells' runs, of how many, test r is above the run's own 95th percentile
    of chance; 5 % of them by chance alone."""

    @property
    def false_positive(self) -> bool:
        """Whether a difference was found where there is none."""
        return self.verdict == "difference"


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that did not enter the comparison, or part of it, and why."""

    cell: str
    label: str
    reason: str
    seed: int | None = None
    subject: str | None = None
    key: str | None = None
    """Key of the run, where a run is what was left out."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All cells of a study against one of them, under one metric."""

    study: str
    metric: str
    per_subject_scores: bool
    """Whether the metric has a value per subject; else subjects are no factor."""
    baseline: str
    treatment: str | None
    """The cell of the declared contrast; None where none was declared."""
    alpha: float
    sesoi: float | None
    """Smallest effect of interest; None for metrics that are not a correlation."""
    model_scope: ModelScope
    simulated: bool
    accepted_leakage: tuple[str, ...]
    """Reasons given for training in spite of leaked segments."""
    rows: tuple[Row, ...]
    """Reference first, then the declared treatment, then by falling mean."""
    excluded: tuple[Excluded, ...]
    floor: float | None = None
    """Test r of the linear backward model on the same split."""
    chance: float | None = None
    """95th percentile of the circular-shift null; the largest over the reference's seeds."""
    above_chance: tuple[int, int] | None = None
    """In how many of the reference's runs, of how many, r is above that run's own 95th percentile."""
    chance_by_subject: tuple[SubjectChance, ...] = ()
    """The reference's subjects against chance, where the metric is test r."""
    placebos: tuple[PlaceboArm, ...] = ()
    """Comparisons of nothing with nothing, where the study has placebo arms."""
    claims: ClaimsReport | None = None
    """The declared claims file, checked against these runs."""
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> Row:
        """The row that the others are compared with."""
        return self.rows[0]

    @property
    def primary(self) -> Row | None:
        """The row of the declared treatment, where there is one besides the reference."""
        return next((row for row in self.rows[1:] if row.cell == self.treatment), None)
