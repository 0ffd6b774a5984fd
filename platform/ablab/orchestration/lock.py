"""One orchestrator per study, one process per trial: the leases that say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablab.orchestration import lease
from ablab.orchestration.claim import claimed
from ablab.paths import Paths
from ablab.spec.record import Role
from ablab.spec.trial import Trial
from ablab.tracking.store import RunStore


@contextmanager
def study_lock(study: str, paths: Paths, store: RunStore) -> Iterator[None]:
    """Hold the study, in this state root and in its store where others share that.

    Raises StudyLockedError, naming the holder, where another process does; StoreError.
    """
    what = f"study {study!r}"
    with lease.hold(paths.lease(study), what), claimed(study, store, what):
        yield


@contextmanager
def trial_lock(trial: Trial, role: Role, paths: Paths) -> Iterator[None]:
    """Hold one trial of a study while it trains; a process that holds it already goes on holding it.

    Raises StudyLockedError where another process trains it.
    """
    file = trial_lease(trial.study, role, trial.key, paths)
    found = lease.find(file)
    if found is not None and found.holder is not None and found.holder.is_this_process:
        yield
        return
    with lease.hold(file, f"{trial.name} of study {trial.study!r}"):
        yield


def trial_lease(study: str, role: Role, key: str, paths: Paths) -> Path:
    """The lease file of a trial."""
    return paths.workers(study) / f"{role}-{key}.lease"


def single_lease(study: str, key: str, paths: Paths) -> Path:
    """The lease file of a command that trains this one trial of a study, and no other."""
    return paths.lease(f"{study}-{key}")


def holder(study: str, paths: Paths) -> str | None:
    """Who runs the study now, for people; None where nobody does."""
    found = lease.find(paths.lease(study))
    return str(found) if found is not None and found.is_live else None
