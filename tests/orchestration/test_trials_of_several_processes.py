"""Trials that several processes train: room for them, their GPUs, and that nothing of them is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import tiny
from acts import act
from hand_made import trial
from launcher_contract import run
from tests.processes import still_running

from ablab.errors import InputError
from ablab.orchestration import gpus
from ablab.orchestration.events import Emit, Event, Finished
from ablab.orchestration.experiment import run_experiment
from ablab.orchestration.gpus import automatic_workers, device_for, refuse_too_few
from ablab.orchestration.launchers import Place
from ablab.orchestration.local_launcher import LocalLauncher
from ablab.orchestration.processes import placed
from ablab.paths import Paths
from ablab.spec.load import load_experiment, with_values
from ablab.spec.trial import Trial
from ablab.tracking.memory import MemoryStore

SetGpus = Callable[[int], None]


def of_processes(n: int, how: str = "gpus", seed: int = 0) -> Trial:
    made = trial(how, seed)
    experiment = with_values(made.cell.experiment, {"training.processes": n})
    return replace(made, cell=replace(made.cell, experiment=experiment))


@pytest.fixture
def set_gpus(monkeypatch: pytest.MonkeyPatch) -> SetGpus:
    """``set_gpus(4)``: as on a machine with 4 GPUs."""

    def set_them(n: int) -> None:
        monkeypatch.setattr(gpus, "visible_gpus", lambda: tuple(map(str, range(n))))

    return set_them


@pytest.mark.parametrize(("processes", "workers"), [(1, 8), (2, 4), (3, 2), (8, 1)])
def test_as_many_trials_at_once_as_the_gpus_hold(set_gpus: SetGpus, processes: int, workers: int) -> None:
    set_gpus(8)
    assert automatic_workers([of_processes(8).cell, of_processes(processes).cell]) == workers


def test_several_small_trials_share_a_gpu(set_gpus: SetGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(2)
    assert automatic_workers([of_processes(1).cell], "auto", 0.25) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    assert automatic_workers([of_processes(2).cell], "auto", 0) == 3


def test_no_gpus_are_the_cpu() -> None:
    assert (device_for("auto", 0), device_for("cuda:1", None), device_for("cpu", 0)) == (
        "cpu",
        "cuda:1",
        "cpu",
    )
    with pytest.raises(
        InputError, match=r"--device cuda:1: resources\.gpus_per_trial is 0, which is the CPU"
    ):
        device_for("cuda:1", 0)


def test_as_many_trials_at_once_as_the_cores_hold(set_gpus: SetGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(12)))
    set_gpus(0)
    assert automatic_workers([of_processes(2).cell]) == 6
    set_gpus(8)
    assert automatic_workers([of_processes(2).cell], "cpu") == 6


def test_too_few_gpus_are_refused_before_anything_runs(set_gpus: SetGpus) -> None:
    cells = [of_processes(4).cell]
    set_gpus(0)
    refuse_too_few(cells, "auto")  # the CPU it is
    with pytest.raises(InputError, match=r"4 GPUs for a trial were asked for, and 0 can be used"):
        refuse_too_few(cells, "auto", 4)
    set_gpus(2)
    refuse_too_few(cells, "cpu")
    with pytest.raises(InputError, match=r"training\.processes is 4, each on a GPU of its own, and 2 can"):
        refuse_too_few(cells, "auto")


def test_each_trial_sees_gpus_of_its_own(tmp_path: Path, set_gpus: SetGpus) -> None:
    set_gpus(4)
    heard: list[Event] = []
    place = Place((tmp_path / "mlruns").absolute(), None, tmp_path)
    run([of_processes(2, seed=0), of_processes(2, seed=1)], LocalLauncher(act, place, heard.append, 2))
    seen = {event.run_id for event in heard if isinstance(event, Finished)}
    assert seen == {"0,1", "2,3"}


def device_act(trial: Trial, place: Place, emit: Emit) -> None:
    """Finishes with the GPUs that it sees and the device that it is told as its run's id."""
    emit(Finished(trial.key, f"{os.environ['CUDA_VISIBLE_DEVICES']} {place.device}", 0.0, {}))


def test_a_gpu_by_number_is_the_first_that_the_worker_sees(tmp_path: Path, set_gpus: SetGpus) -> None:
    set_gpus(4)
    heard: list[Event] = []
    place = Place((tmp_path / "mlruns").absolute(), None, tmp_path, device="cuda:3")
    run([of_processes(1)], LocalLauncher(device_act, place, heard.append, 1))
    assert [event.run_id for event in heard if isinstance(event, Finished)] == ["3 cuda"]


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, set_gpus: SetGpus) -> None:
    set_gpus(2)
    with pytest.raises(InputError, match="--device cuda:5: GPUs here are cuda:0 to cuda:1"):
        automatic_workers([of_processes(1).cell], "cuda:5")


def test_trials_of_half_a_gpu_share_one_and_the_next_gets_the_other(
    tmp_path: Path, set_gpus: SetGpus
) -> None:
    set_gpus(2)
    heard: list[Event] = []
    place = Place((tmp_path / "mlruns").absolute(), None, tmp_path)
    trials = [of_processes(1, seed=seed) for seed in range(3)]
    launcher = LocalLauncher(act, place, heard.append, 3, gpus_per_trial=0.5)
    run(trials, launcher)
    seen = sorted(event.run_id for event in heard if isinstance(event, Finished))
    assert seen == ["0", "0", "1"]


def test_a_trial_that_does_not_fit_waits_while_smaller_ones_go_ahead(
    tmp_path: Path, set_gpus: SetGpus
) -> None:
    set_gpus(3)
    place = Place((tmp_path / "mlruns").absolute(), None, tmp_path)
    two, other, one = of_processes(2, "sleep"), of_processes(2, "sleep", 1), of_processes(1, "sleep", 2)
    launcher = LocalLauncher(act, place, lambda event: None, 8)
    launcher.submit(two)
    assert launcher.choose([other]) is None
    assert launcher.choose([other, one]) == one
    with pytest.raises(RuntimeError, match="no GPUs are free"):
        launcher.submit(other)
    launcher.stop(10)


def test_a_trial_that_goes_ahead_leaves_the_gpus_that_are_reserved(tmp_path: Path, set_gpus: SetGpus) -> None:
    set_gpus(4)
    heard: list[Event] = []
    place = Place((tmp_path / "mlruns").absolute(), None, tmp_path)
    running, large, small = of_processes(2, "sleep"), of_processes(3, "gpus"), of_processes(1, "gpus", 1)
    seconds = {running.key: 60.0, large.key: 70.0, small.key: 65.0}
    launcher = LocalLauncher(act, place, heard.append, 8, seconds=seconds)
    launcher.submit(running)
    assert launcher.choose([large, small]) == small
    launcher.submit(small)
    while not any(isinstance(event, Finished) for event in heard):
        launcher.wait()
    launcher.stop(10)
    assert [event.run_id for event in heard if isinstance(event, Finished)] == ["3"]


def test_options_become_the_spec_and_the_device(tmp_path: Path) -> None:
    tiny.write(tmp_path)
    file = tmp_path / "tiny.yaml"
    plain = placed(file, (), gpus=None, processes=None, device="auto")
    assert (plain.loaded.experiment.training.processes, plain.device, plain.gpus) == (1, "auto", None)
    two = placed(file, (), gpus=2, processes=None, device="auto")
    assert (two.loaded.experiment.training.processes, two.device, two.gpus) == (2, "auto", 2)
    on_cpu = placed(file, (), gpus=0, processes=2, device="auto")
    assert (on_cpu.loaded.experiment.training.processes, on_cpu.device, on_cpu.gpus) == (2, "cpu", None)
    # What the file says already is no override.
    assert placed(file, (), gpus=None, processes=1, device="auto").loaded.origins == plain.loaded.origins


def test_options_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    tiny.write(tmp_path)
    file = tmp_path / "tiny.yaml"
    with pytest.raises(InputError, match="--gpus 2 --processes 3: each process has one GPU"):
        placed(file, (), gpus=2, processes=3, device="auto")
    with pytest.raises(InputError, match="--gpus and --device cpu: give one of them; --gpus 0 is the CPU"):
        placed(file, (), gpus=2, processes=None, device="cpu")


def test_an_experiment_of_two_processes_is_a_trial_of_its_own(tmp_path: Path, paths: Paths) -> None:
    tiny.write(tmp_path)
    store = MemoryStore()
    for overrides in ([], ["training.processes=2"]):
        loaded = load_experiment(tmp_path / "tiny.yaml", overrides)
        assert run_experiment(loaded, seed=0, paths=paths, store=store, device="cpu").completed == 1
    one, two = store.records("experiments")
    assert one.key != two.key
    assert (one.metrics["training/effective_batch"], two.metrics["training/effective_batch"]) == (4, 8)
    assert (one.metrics["processes"], two.metrics["processes"]) == (1, 2)
    assert len(two.subjects) == 2
    assert _ranks() == []


@pytest.mark.slow
def test_nothing_is_left_of_a_trial_that_is_ended(tmp_path: Path, paths: Paths) -> None:
    grid = tiny.write(tmp_path, epochs=100000)
    text = (tmp_path / "tiny.yaml").read_text()
    (tmp_path / "tiny.yaml").write_text(text.replace("evaluate_every: 100000", "evaluate_every: 1"))
    command = ("grid", "run", grid, "--workers", "1", "--json", "--device", "cpu")
    command = (*command, "--set", "training.processes=2")

    first = tiny.start(paths, *command)
    _wait_for(lambda: any(paths.root.glob("runs/*/*/restart-*.pt")), first)
    ranks = _ranks()
    assert len(ranks) == 2
    began = time.monotonic()
    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert first.returncode == 130
    assert json.loads(out)["killed"] == 1
    assert still_running(ranks, timeout=1) == []
    assert any(paths.root.glob("runs/*/*/restart-*.pt"))  # what the next run goes on from

    second = tiny.start(paths, *command)
    _wait_for(lambda: len(_ranks()) == 2, second)
    ranks = _ranks()
    os.killpg(second.pid, signal.SIGKILL)
    second.communicate()
    assert still_running(ranks, timeout=10) == []


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 150
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _ranks() -> list[psutil.Process]:
    """Processes of trials that this test has started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "ablab.training.rank" in command and "torch.distributed.run" not in command:
            found.append(process)
    return found
