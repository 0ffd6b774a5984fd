"""Where a search stands, from Optuna's database and the store: no search file is needed."""

from __future__ import annotations

from dataclasses import replace

from ablab.comparison.searched import SearchReport
from ablab.orchestration.search_confirmation import confirmation
from ablab.orchestration.search_declared import declared_search
from ablab.paths import Paths
from ablab.tracking.store import RunStore


def search_report(study: str, *, paths: Paths, store: RunStore) -> SearchReport:
    """The points of a search, what mattered, and how its winner was confirmed.

    Raises NotFoundError where no search of this name was run from this state root, StoreError.
    """
    from ablab.orchestration.optuna.searched import searched

    declared = declared_search(study, paths)
    found = searched(declared, paths)
    if declared.search.confirm is None:
        return found
    base = next((point for point in found.points if point.is_base), None)
    return replace(found, confirmation=confirmation(declared, found.winner, base, paths, store))
