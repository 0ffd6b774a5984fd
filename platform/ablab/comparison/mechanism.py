"""Did a change make a part of the decoder learn something that counts? Records in, verdicts out.

A gradient ratio is never enough: it moves with the gradient scale by construction. What counts is what the
part contributes: trained minus a control trained without it, or, where no control was trained, the bypass
drop. Verdicts need three seeds in both cells.

    COSMETIC          the gradient ratio rose; update ratio, drift and contribution stayed within noise
    REAL              the contribution's interval lies above the smallest effect of interest
    MOVED, NOT USED   the weights drifted, the contribution is equivalent to zero
    UNRESOLVED        anything else

A part that contributed as much before the change is COSMETIC where all four of its conditions are shown, the
last one by equivalence; elsewhere it reads REAL, and the sentence says that it is not the change's doing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablab.comparison.compare import by_cell, known_cell
from ablab.comparison.mechanism_evidence import collect
from ablab.comparison.mechanism_values import (
    Change,
    Evidence,
    MechanismKind,
    MechanismReport,
    MechanismVerdict,
)
from ablab.comparison.mechanism_words import sentence
from ablab.comparison.values import MeanTest
from ablab.errors import NotFoundError
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord

FEWEST_SEEDS = 3
"""Below so many seeds in both cells nothing is decided."""

NEGLIGIBLE = 0.1
"""A quantity whose interval lies within this relative change of the reference's is within noise, however
narrow the interval: at equal seeds two trainings differ by that much for no reason."""

DRIFTED = 0.01
"""The guide's relative weight change of a layer that has been trained."""


def diagnose_mechanism(
    records: Sequence[RunRecord],
    *,
    study: str,
    treatment: str,
    reference: str,
    analysis: Analysis | None = None,
) -> MechanismReport:
    """Verdicts on every layer group of one cell of a study against another.

    records: the study's runs of any status. treatment, reference: ids or labels of cells. analysis: what was
    declared; the defaults where nothing was. Controls are found by what they declare, whatever their name.

    Raises NotFoundError for an unknown cell, or where a cell has no finished run.
    """
    analysis = analysis or Analysis()
    records = [record for record in records if record.role == "seed"]
    cells = by_cell(records)
    treatment, reference = (known_cell(study, cell, cells) for cell in (treatment, reference))
    finished = [record for record in records if record.status == "finished"]
    for cell in (treatment, reference):
        if not any(record.cell == cell for record in finished):
            raise NotFoundError(
                f"study '{study}': cell '{cell}' has no finished run; see: ablab grid status {study}"
            )
    found, notes = collect(finished, treatment, reference, analysis)
    verdicts = []
    for evidence in found:
        kind = decide(evidence, analysis.sesoi)
        verdicts.append(MechanismVerdict(evidence, kind, sentence(evidence, kind, analysis)))
    return MechanismReport(
        study=study,
        treatment=treatment,
        reference=reference,
        n_seeds=max((evidence.n_seeds for evidence in found), default=0),
        sesoi=analysis.sesoi,
        alpha=analysis.alpha,
        simulated=any(record.experiment.dataset.kind == "simulated" for record in finished),
        verdicts=tuple(verdicts),
        notes=tuple(notes),
    )


def decide(evidence: Evidence, sesoi: float) -> MechanismKind:
    """The verdict that follows from the evidence."""
    contribution = evidence.contribution
    if evidence.n_seeds < FEWEST_SEEDS or contribution is None or contribution.n_seeds < FEWEST_SEEDS:
        return "UNRESOLVED"
    counts = is_above(contribution.test, sesoi)
    if gradient_alone(evidence):
        unchanged = evidence.gain is not None and is_zero(evidence.gain, sesoi)
        if unchanged or (not counts and _within_noise_of_zero(contribution.test, sesoi)):
            return "COSMETIC"
    if counts:
        return "REAL"
    drifted = evidence.drift_low is not None and evidence.drift_low > DRIFTED
    if drifted and is_zero(contribution.test, sesoi):
        return "MOVED, NOT USED"
    return "UNRESOLVED"


def gradient_alone(evidence: Evidence) -> bool:
    """Whether the gradient ratio rose while update ratio and drift are known to have stayed."""
    if evidence.ratio is None or evidence.update is None or evidence.drift is None:
        return False
    return rose(evidence.ratio) and stayed(evidence.update) and stayed(evidence.drift)


def rose(change: Change) -> bool:
    """The interval lies above no change, and not within what is negligible."""
    return change.low > 1 and not _negligible(change)


def stayed(change: Change) -> bool:
    """The interval includes no change, or lies within what is negligible."""
    return change.low <= 1 <= change.high or _negligible(change)


def is_above(test: MeanTest, sesoi: float) -> bool:
    """The interval lies above the smallest effect of interest."""
    return test.ci_low is not None and test.ci_low > sesoi


def is_zero(test: MeanTest, sesoi: float) -> bool:
    """Two one-sided tests: the 1 - 2 alpha interval lies inside +-SESOI."""
    low, high = test.equivalence_low, test.equivalence_high
    return low is not None and high is not None and -sesoi < low and high < sesoi


def _within_noise_of_zero(test: MeanTest, sesoi: float) -> bool:
    includes = test.ci_low is not None and test.ci_high is not None and test.ci_low <= 0 <= test.ci_high
    return includes or is_zero(test, sesoi)


def _negligible(change: Change) -> bool:
    limit = math.log1p(NEGLIGIBLE)
    return change.low > 0 and -limit < math.log(change.low) and math.log(change.high) < limit
