"""What launchers do with a trial: train it. Importable without torch, which the training process loads."""

from __future__ import annotations

from ablab.orchestration.events import Emit
from ablab.orchestration.launchers import Place
from ablab.spec.trial import Trial
from ablab.tracking.store import RunStore


def train(trial: Trial, place: Place, emit: Emit, *, store: RunStore | None = None) -> None:
    """Train and record one trial; with ``store`` where the caller has one open in this process."""
    from ablab.orchestration import worker

    worker.train(trial, place, emit, store=store)
