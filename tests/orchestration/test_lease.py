"""Leases: refused while their holder lives, taken over when it does not, on this machine and on others."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from ablab.errors import StudyLockedError
from ablab.orchestration import lease
from ablab.orchestration.lease import STALE_SECONDS, Holder, find, hold


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "quick.lease"


def _write(file: Path, seconds_ago: float = 0.0, **changes: object) -> None:
    """A lease as another process would have left it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(Holder.of_this_process()) | changes))
    os.utime(file, (time.time() - seconds_ago,) * 2)


def test_a_lease_says_who_holds_it_and_goes_with_the_block(file: Path) -> None:
    with hold(file, "it"):
        found = find(file)
        assert found is not None and found.holder is not None
        assert (found.holder.pid, found.holder.host) == (os.getpid(), socket.gethostname())
        assert found.holder.created == pytest.approx(psutil.Process().create_time(), abs=1)
        assert found.is_live and found.holder.is_this_process
    assert list(file.parent.iterdir()) == []


def test_the_heart_beats_and_tells_the_peak_of_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    with hold(file, "it"):
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 20
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert time.time() - file.stat().st_mtime < 20
        found = find(file)
        assert found is not None and found.holder is not None
        assert found.holder.peak_bytes >= psutil.Process().memory_info().rss // 2


def test_a_reused_process_id_does_not_hold(file: Path) -> None:
    _write(file, created=psutil.Process().create_time() - 3600)
    found = find(file)
    assert found is not None and not found.is_live
    with hold(file, "it"):
        pass


def test_a_lease_of_another_machine_holds_while_its_heart_beats(file: Path) -> None:
    _write(file, 5, host="lab3", machine="b", pid=4711, since="2026-05-04T10:12:08+00:00")
    with pytest.raises(StudyLockedError) as refused, hold(file, "study 'quick'"):
        pass
    text = str(refused.value)
    assert text.startswith(
        "study 'quick' is being run by process 4711 on lab3 since 2026-05-04T10:12:08+00:00, "
        "whose last sign of life was 5 s ago; wait for it, or end it first"
    )
    _write(file, STALE_SECONDS + 5, host="lab3", machine="b", pid=4711)
    with hold(file, "study 'quick'"):
        found = find(file)
        assert found is not None and found.holder is not None and found.holder.is_this_process


def test_the_same_host_after_a_restart_is_another_machine(file: Path) -> None:
    _write(file, machine="an earlier boot")
    found = find(file)
    assert found is not None and found.is_live
    _write(file, STALE_SECONDS + 5, machine="an earlier boot")
    found = find(file)
    assert found is not None and not found.is_live


def test_a_suspended_holder_on_this_machine_still_holds(file: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ablab.orchestration.lease import hold\n"
        "with hold(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        psutil.Process(other.pid).suspend()
        os.utime(file, (0, 0))
        with pytest.raises(StudyLockedError, match=f"process {other.pid} on"), hold(file, "it"):
            pass
        other.kill()
        other.wait()
        with hold(file, "it"):
            pass


def test_whoever_lost_a_lease_is_told_and_does_not_remove_the_other_ones(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    told: list[str] = []
    with hold(file, "it", lambda: told.append("lost")):
        file.unlink()
        _write(file, host="lab3", machine="b")
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.02)
    assert told == ["lost"]
    assert "it was taken over by process" in caplog.text
    assert json.loads(file.read_text())["host"] == "lab3"


def test_a_lease_that_was_taken_over_meanwhile_is_put_back(file: Path) -> None:
    _write(file, STALE_SECONDS + 5, host="lab3", machine="b")
    stale = find(file)
    assert stale is not None
    file.unlink()
    _write(file, host="lab4", machine="c")
    lease._put_aside(stale)
    assert json.loads(file.read_text())["host"] == "lab4"
    assert [each.name for each in file.parent.iterdir()] == ["quick.lease"]


def test_many_at_once_and_one_of_them_holds(file: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ablab.orchestration.lease import hold\n"
        "from ablab.errors import StudyLockedError\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    with hold(Path(sys.argv[1]), 'it'): print('held', flush=True); sys.stdin.readline()\n"
        "except StudyLockedError: print('refused', flush=True)"
    )
    _write(file, STALE_SECONDS + 5, pid=2**22 + 1)
    several = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for each in several:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.stdout.readline().strip() for each in several if each.stdout is not None]
    for each in several:
        each.communicate("end\n", timeout=60)
    assert sorted(said) == ["held", "refused", "refused", "refused"]


def test_a_full_disk_leaves_no_empty_lease(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"), hold(file, "it"):
        pytest.fail("it was held")
    assert not file.exists()


def test_a_lost_lease_is_told_even_where_it_cannot_be_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Path) -> None:
        raise PermissionError("the file server says no")

    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    told = threading.Event()
    with hold(file, "it", told.set):
        monkeypatch.setattr(lease, "find", unreadable)
        file.unlink()
        assert told.wait(20)


def test_the_start_time_follows_a_clock_that_is_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells start times by the clock: once it is set, a holder would read as another process."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    now = psutil.Process.create_time
    with hold(file, "it"):
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: now(process) + 3600)
        deadline = time.monotonic() + 20
        while not ((found := find(file)) and found.is_live) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert found is not None and found.is_live
