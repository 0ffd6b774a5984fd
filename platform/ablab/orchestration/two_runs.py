"""Two names of runs -> their comparison, from the store."""

from __future__ import annotations

from ablab.comparison.two_runs import TwoRuns, compare_runs
from ablab.errors import InputError
from ablab.orchestration.run_diagnosis import record_of
from ablab.spec.record import RunRecord
from ablab.tracking.store import RunStore


def compare_two(first: str, second: str, *, store: RunStore, metric: str = "test/pearson") -> TwoRuns:
    """The second run against the first; both by run id, or 6 or more of their key's digits.

    Raises NotFoundError for an unknown run, and what `compare_runs` raises.
    """
    return compare_runs(_record(first, store), _record(second, store), metric=metric)


def _record(run: str, store: RunStore) -> RunRecord:
    state = store.find(run)
    _, record = record_of(state, store)
    if record is None:
        raise InputError(f"{run}: is a {state.role} run, which is never compared")
    return record
