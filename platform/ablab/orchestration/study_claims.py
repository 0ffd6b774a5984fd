"""A claims ledger held against a study: its finished runs out of the store, then the verdicts."""

from __future__ import annotations

from ablab.comparison.claims import check_claims
from ablab.comparison.claims_evidence import StudyEvidence
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.comparable import check_comparable, code_notes
from ablab.errors import NotFoundError
from ablab.orchestration.declared import analysis_of
from ablab.paths import Paths
from ablab.spec.claims import Ledger
from ablab.spec.grid import Analysis
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import RunStore


def claims_of_study(ledger: Ledger, study: str, *, paths: Paths, store: RunStore) -> ClaimsReport:
    """Check every claim against the runs that a comparison of the study would use.

    Raises NotFoundError (study, nothing finished), MixedRecordsError, StoreError.
    """
    records = store.records(study)
    declared = analysis_of(study, paths)
    finished = tuple(
        record
        for record in records
        if record.status == "finished" and (declared is None or declared.holds(record))
    )
    if not finished:
        raise NotFoundError(
            f"study '{study}' has no finished run to check claims against; see: ablab grid status {study}"
        )
    notes = (*check_comparable(finished), *code_notes(finished, code_fingerprint()))
    analysis = declared.analysis if declared is not None else Analysis()
    evidence = StudyEvidence(study, finished, store.curves, analysis.model_scope, notes)
    return check_claims(ledger, evidence, alpha=analysis.alpha)
