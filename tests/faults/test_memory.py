"""A worker that the kernel really kills for want of memory, in a control group with little of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else

LIMIT = 2**30
_PROGRAM = """
import os, sys
from pathlib import Path
procs, root, *folders = map(Path, sys.argv[1:])
procs.write_text(str(os.getpid()))  # and so for all that this process starts
sys.path[:0] = map(str, folders)
from acts import act
from hand_made import trial
from ablab.orchestration.events import Failed
from ablab.orchestration.launchers import Place
from ablab.orchestration.local_launcher import LocalLauncher

if __name__ == "__main__":
    heard = []
    launcher = LocalLauncher(act, Place(root, None, root), heard.append, 1)
    launcher.submit(trial("eat"))
    while launcher.in_flight:
        launcher.wait()
    print(heard[-1].cause, heard[-1].error, sep="|")
"""


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group's list of processes."""
    mount = Path("/sys/fs/cgroup")
    for folder, limit in ((mount / "memory", "memory.limit_in_bytes"), (mount, "memory.max")):
        group = folder / "ablab-fault-suite"
        try:
            group.mkdir()
            (group / limit).write_text(str(LIMIT))
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        yield group / "cgroup.procs"
        for _ in range(100):  # until the last process is gone
            with suppress(OSError):
                group.rmdir()
                return
            time.sleep(0.1)
        return
    pytest.skip("no control group with little memory can be made here: that needs root")


@pytest.mark.slow
def test_the_kernel_s_kill_is_named_with_the_numbers(little_memory: Path, tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    folders = [str(tests / "orchestration"), str(tests.parent)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(little_memory), str(tmp_path), *folders],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    cause, line = done.stdout.strip().split("|")
    assert cause == "memory"
    assert line.startswith(
        "out of memory: the kernel killed the worker (SIGKILL) for want of it; its peak was "
    )
    assert line.endswith("iB, with 1.0 GiB allowed here")
    assert "its peak was 0 MiB" not in line
