"""The end of a trial that had finished its run and died before it could say so."""

from __future__ import annotations

from ablab.errors import NotFoundError
from ablab.orchestration.events import Finished
from ablab.spec.record import Role
from ablab.spec.trial import Trial
from ablab.tracking.store import RunStore


def finished_after_all(trial: Trial, role: Role, run_id: str, store: RunStore) -> Finished | None:
    """What the store has of the trial's run, where it is finished; None for any other.

    Raises StoreError.
    """
    try:
        records = store.records(trial.study, role, cells=(trial.cell.id,))
    except NotFoundError:  # deleted meanwhile
        return None
    for record in records:
        if record.run_id == run_id and record.status == "finished":
            return Finished(trial.key, run_id, record.seconds, dict(record.metrics), record.subjects)
    return None
