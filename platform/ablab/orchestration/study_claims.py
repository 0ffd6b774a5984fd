"""A claims ledger held against a study: its finished runs out of the store, then the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from ablab.comparison.claims import check_claims
from ablab.comparison.claims_evidence import StudyEvidence
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.comparable import check_comparable, code_notes
from ablab.errors import NotFoundError
from ablab.orchestration.declared import analysis_of
from ablab.paths import Paths
from ablab.spec.claims import Ledger
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import RunStore


def claims_of_study(ledger: Ledger, study: str, *, paths: Paths, store: RunStore) -> ClaimsReport:
    """Check every claim against the runs that a comparison of the study would use.

    Raises NotFoundError (study, nothing finished), MixedRecordsError, StoreError.
    """
    records = store.records(study)
    declared = analysis_of(study, paths)
    if declared is not None:
        records = tuple(record for record in records if declared.holds(record))
    return claims_of_records(ledger, study, records, declared.analysis if declared else Analysis(), store)


def claims_of_records(
    ledger: Ledger, study: str, records: Sequence[RunRecord], analysis: Analysis, store: RunStore
) -> ClaimsReport:
    """The same, of a study whose runs have been read; only those that are finished count."""
    finished = tuple(record for record in records if record.status == "finished")
    if not finished:
        raise NotFoundError(
            f"study '{study}' has no finished run to check claims against; see: ablab grid status {study}"
        )
    notes = (*check_comparable(finished), *code_notes(finished, code_fingerprint()))
    evidence = StudyEvidence(study, finished, store.curves, analysis.model_scope, notes)
    return check_claims(ledger, evidence, alpha=analysis.alpha)
