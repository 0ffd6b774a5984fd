from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from ablab.errors import StudyLockedError
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths

HOLD = """
import sys, time
from pathlib import Path
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths
with study_lock("quick", Paths(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_orchestrator_is_refused_and_told_who_holds_the_study(paths: Paths) -> None:
    with study_lock("quick", paths), pytest.raises(StudyLockedError) as refused, study_lock("quick", paths):
        pass
    text = str(refused.value)
    assert text.startswith("study 'quick' is being run by process ")
    assert f"process {os.getpid()} on {socket.gethostname()} since 20" in text
    assert "wait for it, or end it first" in text


def test_another_study_is_free(paths: Paths) -> None:
    with study_lock("quick", paths), study_lock("slow", paths):
        pass


def test_a_study_is_free_again_after_the_block(paths: Paths) -> None:
    for _ in range(2):
        with study_lock("quick", paths):
            pass


def test_a_killed_holder_releases_the_study(paths: Paths) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(paths.root)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StudyLockedError, match=f"process {holder.pid} on"), study_lock("quick", paths):
            pass
        holder.kill()
        holder.wait()
        with study_lock("quick", paths):
            pass
