from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from acts import STRAY_LINE, act
from hand_made import trial
from launcher_contract import LauncherContract, Make, run
from tests.processes import still_running

from ablab.orchestration import local_launcher
from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed, Started
from ablab.orchestration.launchers import Place
from ablab.orchestration.local_launcher import LocalLauncher
from ablab.paths import Paths


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place((tmp_path / "mlruns").absolute(), None, tmp_path)


@pytest.fixture
def heard() -> list[Event]:
    return []


class TestLocalLauncher(LauncherContract):
    name = "local"

    def test_every_trial_has_a_fresh_process_that_leads_its_own_session(
        self, make: Make, heard: list[Event]
    ) -> None:
        run([trial("finish", 0), trial("finish", 1)], make())
        facts = [event.metrics for event in heard if isinstance(event, Finished)]
        pids = {fact["pid"] for fact in facts}
        assert len(pids) == 2
        assert os.getpid() not in pids
        assert all(fact["session"] == fact["pid"] for fact in facts)

    def test_as_many_at_once_as_workers(self, make: Make, heard: list[Event]) -> None:
        launcher = make(2)
        for seed in (0, 1):
            launcher.submit(trial("sleep", seed))
        while sum(isinstance(event, Started) for event in heard) < 2:
            launcher.wait()
        assert len(launcher.in_flight) == 2
        launcher.stop(5)

    @pytest.mark.parametrize(
        ("how", "text"),
        [
            ("die", "killed from outside (SIGKILL, not for want of memory: its peak was "),
            ("exit", "exit code 3"),
        ],
    )
    def test_a_worker_that_dies_fails_its_trial_with_the_cause(
        self, make: Make, heard: list[Event], how: str, text: str
    ) -> None:
        run([trial(how, 1), trial("finish", 2)], make())
        failed = [event for event in heard if isinstance(event, Failed)]
        assert len(failed) == 1
        assert text in failed[0].error
        assert failed[0].run_id == "run-1"
        assert not failed[0].closed
        assert isinstance(heard[-1], Finished)

    def test_the_last_words_of_a_dead_worker_are_in_the_error(self, make: Make, heard: list[Event]) -> None:
        run([trial("die")], make())
        assert isinstance(heard[-1], Failed)
        assert STRAY_LINE in heard[-1].error

    def test_stop_lets_a_worker_close_its_run(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("sleep"))
        while not heard:
            launcher.wait()
        began = time.monotonic()
        launcher.stop(10)
        assert time.monotonic() - began < 3
        assert heard[-1] == Killed(trial("sleep").key, "run-0", "interrupted", closed=True)

    def test_stop_kills_a_worker_that_does_not_listen(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("ignore"))
        while not any(isinstance(event, Advanced) for event in heard):
            launcher.wait()
        launcher.stop(0.3)
        assert isinstance(heard[-1], Killed)
        assert not heard[-1].closed
        assert heard[-1].run_id == "run-0"

    def test_workers_leave_no_files_behind(self, make: Make, place: Place) -> None:
        run([trial("finish"), trial("die"), trial("raise")], make(2))
        assert list(Paths(place.root).workers("quick").iterdir()) == []

    def test_what_a_worker_prints_does_not_reach_stdout(
        self, make: Make, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run([trial("shout")], make())
        assert "JSON" not in capfd.readouterr().out

    def test_workers_take_their_surroundings_from_the_place_and_not_from_the_environment(
        self, tmp_path: Path, heard: list[Event], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from acts import act

        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://wrong")
        place = Place(tmp_path / "root", "sqlite:///right.db", tmp_path)
        run([trial("report")], LocalLauncher(act, place, heard.append, 1))
        assert isinstance(heard[-1], Finished)
        assert heard[-1].run_id.split("|") == [str(tmp_path), str(tmp_path / "root"), "sqlite:///right.db"]

    def test_what_training_needs_is_loaded_and_out_of_the_garbage_collectors_way(
        self, place: Place, heard: list[Event]
    ) -> None:
        run([trial("report")], LocalLauncher(act, place, heard.append, 1))
        assert isinstance(heard[-1], Finished)
        assert heard[-1].metrics["torch"] == heard[-1].metrics["collects"] == 1.0
        assert heard[-1].metrics["frozen"] > 100_000


UNGUARDED = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from acts import act
from hand_made import trial
from ablab.orchestration import worker_process
from ablab.orchestration.launchers import Place
from ablab.orchestration.local_launcher import LocalLauncher

worker_process.PRELOAD = ("acts",)  # the acts need no torch
print("main module runs", flush=True)
heard = []
launcher = LocalLauncher(act, Place(Path({root!r}), None, Path.cwd()), heard.append, 1)
launcher.submit(trial({how!r}))
while launcher.in_flight:
    launcher.wait()
    if {how!r} == "sleep" and heard:
        print("started", flush=True)
        break
print(type(heard[-1]).__name__, flush=True)
import time
time.sleep(60 if {how!r} == "sleep" else 0)
"""


def _script(tmp_path: Path, how: str) -> Path:
    script = tmp_path / "script.py"
    folder = str(Path(__file__).parent)
    script.write_text(UNGUARDED.format(folder=folder, root=str(tmp_path / "mlruns"), how=how))
    return script


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, _script(tmp_path, "finish")], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["main module runs", "Finished"]


def test_neither_worker_nor_forkserver_outlives_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, _script(tmp_path, "sleep")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline().strip() for _ in range(2)] == ["main module runs", "started"]
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 2
        parent.kill()
    assert still_running(family, timeout=5) == []


def test_a_signal_to_the_process_group_leaves_the_forkserver_to_the_orchestrator(
    place: Place, heard: list[Event]
) -> None:
    from multiprocessing.forkserver import _forkserver

    from acts import act

    launcher = LocalLauncher(act, place, heard.append, 1)
    run([trial("finish")], launcher)
    server = psutil.Process(_forkserver._forkserver_pid)  # type: ignore[attr-defined]
    for number in (signal.SIGINT, signal.SIGTERM):
        server.send_signal(number)
    run([trial("finish", 1)], launcher)
    assert server.is_running()
    assert isinstance(heard[-1], Finished)


@pytest.mark.parametrize("given", ["1", "0,1", None])
def test_a_trial_sees_the_gpus_of_the_process_that_starts_it_not_those_of_the_forkserver(
    place: Place, heard: list[Event], monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    launcher = LocalLauncher(act, place, heard.append, 1)
    run([trial("gpus", 0)], launcher)  # the forkserver runs from here on at the latest
    if given is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    run([trial("gpus", 1)], launcher)
    assert [event.run_id for event in heard if isinstance(event, Finished)] == ["0", given or ""]


@pytest.mark.parametrize(("per_trial", "share"), [(None, 1.0), (0.25, 0.25), (1, 1.0)])
def test_a_trial_with_a_gpu_is_never_trained_on_the_cpu_and_knows_its_share(
    place: Place, heard: list[Event], monkeypatch: pytest.MonkeyPatch, per_trial: float | None, share: float
) -> None:
    monkeypatch.setattr(local_launcher, "gpus_of", lambda device: ("3",))
    run([trial("gpus")], LocalLauncher(act, place, heard.append, 1, gpus_per_trial=per_trial))
    (found,) = [event for event in heard if isinstance(event, Finished)]
    assert (found.run_id, found.metrics) == ("3", {"share": share, "on_cuda": 1.0, "on_cpu": 0.0})


def test_a_killed_forkserver_is_replaced(place: Place, heard: list[Event]) -> None:
    from multiprocessing.forkserver import _forkserver

    from acts import act

    launcher = LocalLauncher(act, place, heard.append, 1)
    run([trial("finish")], launcher)
    server = psutil.Process(_forkserver._forkserver_pid)  # type: ignore[attr-defined]
    server.kill()
    while server.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    run([trial("finish", 1)], launcher)
    assert isinstance(heard[-1], Finished)


def test_a_worker_that_lost_its_forkserver_is_not_left_running(place: Place, heard: list[Event]) -> None:
    from multiprocessing.forkserver import _forkserver

    from acts import act

    launcher = LocalLauncher(act, place, heard.append, 1)
    launcher.submit(trial("sleep"))
    while not heard:
        launcher.wait()
    file = next(Paths(place.root).workers("quick").glob("*.lease"))
    worker = psutil.Process(json.loads(file.read_text())["pid"])
    psutil.Process(_forkserver._forkserver_pid).kill()  # type: ignore[attr-defined]
    while launcher.in_flight:
        launcher.wait()
    assert isinstance(heard[-1], Failed)
    assert not worker.is_running()
