"""The sections of a report, in the order in which they stand."""

from __future__ import annotations

from ablab.comparison.study_report import StudyReport
from ablab.reporting.study.advice import recommended_spec
from ablab.reporting.study.cells import all_cells
from ablab.reporting.study.chance import chance_and_placebos
from ablab.reporting.study.checks import other_statistics
from ablab.reporting.study.claims import claims_ledger
from ablab.reporting.study.closing import cost, excluded, provenance
from ablab.reporting.study.convergence import convergence_speed
from ablab.reporting.study.courses import learning_curves
from ablab.reporting.study.effects import factorial_effects
from ablab.reporting.study.mechanism import layer_groups
from ablab.reporting.study.parts import Section
from ablab.reporting.study.shapley import shapley_shares
from ablab.reporting.study.subjects import by_subject
from ablab.reporting.study.variance import variance_budget

SECTIONS = (
    all_cells,
    factorial_effects,
    shapley_shares,
    by_subject,
    learning_curves,
    convergence_speed,
    variance_budget,
    other_statistics,
    chance_and_placebos,
    layer_groups,
    claims_ledger,
    recommended_spec,
    excluded,
    cost,
    provenance,
)
"""Each makes its section from the report."""


def sections(report: StudyReport) -> tuple[Section, ...]:
    """All sections; one that has nothing to show says why."""
    return tuple(make(report) for make in SECTIONS)
