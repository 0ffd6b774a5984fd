from __future__ import annotations

import os
import signal
import threading

import pytest
from hand_made import trial
from launcher_contract import LauncherContract, Make, run

from ablab.errors import InputError
from ablab.orchestration import inline_launcher
from ablab.orchestration.events import Event, Finished, Killed
from ablab.orchestration.interruption import interruptible, shielded


class TestInlineLauncher(LauncherContract):
    name = "inline"
    several = 1

    def test_several_workers_are_refused_and_not_ignored(self, make: Make) -> None:
        with pytest.raises(InputError, match="--workers 2: the inline launcher trains one trial at a time"):
            make(2)

    def test_the_trial_runs_in_the_calling_process(self, make: Make, heard: list[Event]) -> None:
        run([trial("finish")], make())
        assert isinstance(heard[-1], Finished)
        assert heard[-1].metrics["pid"] == os.getpid()

    @pytest.mark.parametrize(("gpus", "on_cuda"), [(("0",), 1), ((), 0)])
    def test_where_there_is_a_gpu_it_is_asked_for_by_name(
        self,
        make: Make,
        heard: list[Event],
        monkeypatch: pytest.MonkeyPatch,
        gpus: tuple[str, ...],
        on_cuda: int,
    ) -> None:
        monkeypatch.setattr(inline_launcher, "gpus_of", lambda device: gpus)
        run([trial("gpus")], make())
        assert isinstance(heard[-1], Finished)
        assert heard[-1].metrics["on_cuda"] == on_cuda

    def test_an_interruption_ends_the_trial_as_killed_and_is_raised_on(
        self, make: Make, heard: list[Event]
    ) -> None:
        launcher = make()
        launcher.submit(trial("sleep"))
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGINT), shielded():
            launcher.wait()
        timer.join()
        assert isinstance(heard[-1], Killed)
        assert launcher.in_flight == ()
