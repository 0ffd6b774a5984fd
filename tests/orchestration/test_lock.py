from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict

import pytest
from hand_made import trial

from ablab.errors import StudyLockedError
from ablab.orchestration.events import Event, Failed
from ablab.orchestration.launchers import Place
from ablab.orchestration.lease import Holder
from ablab.orchestration.lock import holder, study_lock, trial_lease, trial_lock
from ablab.orchestration.worker import train
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore

HOLD = """
import sys, time
from pathlib import Path
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore
with study_lock("quick", Paths(Path(sys.argv[1])), MemoryStore()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_orchestrator_is_refused_and_told_who_holds_the_study(paths: Paths) -> None:
    with (
        study_lock("quick", paths, MemoryStore()),
        pytest.raises(StudyLockedError) as refused,
        study_lock("quick", paths, MemoryStore()),
    ):
        pass
    text = str(refused.value)
    assert text.startswith("study 'quick' is being run by process ")
    assert f"process {os.getpid()} on {socket.gethostname()} since 20" in text
    assert "wait for it, or end it first" in text


def test_status_names_the_holder(paths: Paths) -> None:
    assert holder("quick", paths) is None
    with study_lock("quick", paths, MemoryStore()):
        assert str(holder("quick", paths)).startswith(
            f"process {os.getpid()} on {socket.gethostname()} since 20"
        )
    assert holder("quick", paths) is None


def test_another_study_is_free(paths: Paths) -> None:
    with study_lock("quick", paths, MemoryStore()), study_lock("slow", paths, MemoryStore()):
        pass


def test_a_study_is_free_again_after_the_block(paths: Paths) -> None:
    for _ in range(2):
        with study_lock("quick", paths, MemoryStore()):
            pass


def test_a_killed_holder_releases_the_study(paths: Paths) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(paths.root)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(StudyLockedError, match=f"process {other.pid} on"),
            study_lock("quick", paths, MemoryStore()),
        ):
            pass
        other.kill()
        other.wait()
        with study_lock("quick", paths, MemoryStore()):
            pass


def test_a_trial_that_this_process_holds_can_be_entered_again(paths: Paths) -> None:
    planned = trial()
    file = trial_lease(planned.study, "seed", planned.key, paths)
    with trial_lock(planned, "seed", paths):
        with trial_lock(planned, "seed", paths):
            assert file.exists()
        assert file.exists()
    assert not file.exists()


def test_a_trial_in_work_elsewhere_is_refused(paths: Paths) -> None:
    planned = trial()
    file = trial_lease(planned.study, "seed", planned.key, paths)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({**asdict(Holder.of_this_process()), "host": "lab3", "pid": 4711}))
    heard: list[Event] = []
    train(planned, Place.here(paths.root), heard.append, store=MemoryStore())
    (failed,) = heard
    assert isinstance(failed, Failed)
    assert "none · s0 of study 'quick' is being run by process 4711 on lab3 since 20" in failed.error
