from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hand_made import trial

from ablab.orchestration.events import Event, Killed
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launchers import Place
from ablab.orchestration.worker import train
from ablab.spec.record import Role
from ablab.spec.trial import Trial
from ablab.tracking.memory import MemoryStore
from ablab.tracking.store import RunWriter


class InterruptedWhileOpening(MemoryStore):
    """Has the run already when the signal comes, and has not said which."""

    def open_run(self, trial: Trial, role: Role = "seed") -> RunWriter:
        opened = super().open_run(trial, role)
        os.kill(os.getpid(), signal.SIGTERM)
        return opened


def test_a_run_is_closed_though_the_interruption_came_while_it_was_opened(tmp_path: Path) -> None:
    store, heard, of = InterruptedWhileOpening(), list[Event](), trial()
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM):
        train(of, Place(tmp_path, None, tmp_path), heard.append, store=store)
    (state,) = store.states(of.study)
    assert state.status == "killed"
    assert heard == [Killed(of.key, state.run_id, "interrupted", closed=True)]
