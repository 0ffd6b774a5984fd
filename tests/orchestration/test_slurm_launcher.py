"""The slurm launcher on submitit's local executor, and on commands that stand in for those of Slurm."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import submitit
from acts import act
from hand_made import trial
from launcher_contract import LauncherContract, Make, finish, run
from tests.processes import is_running

from ablab.errors import InputError, LauncherError, SpecError
from ablab.orchestration.events import Advanced, Event, Failed, Finished, Killed, Started, Warned
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Launcher, Place, Request
from ablab.orchestration.slurm_job import Job
from ablab.spec.load import with_values
from ablab.spec.trial import Trial

LOCAL = ("cluster=local", "minutes=60")


@pytest.fixture(autouse=True)
def acts_are_found_by_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place((tmp_path / "mlruns").absolute(), "http://tracking:5000", tmp_path)


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.mark.slow
@pytest.mark.cluster
class TestSlurmLauncher(LauncherContract):
    name = "slurm"
    options = LOCAL

    def test_a_trial_that_dies_fails_with_the_signal(self, make: Make, heard: list[Event]) -> None:
        run([trial("die", 1)], make())
        assert isinstance(heard[-1], Failed)
        assert "killed from outside (SIGKILL" in heard[-1].error
        assert heard[-1].run_id == "run-1"

    def test_a_preempted_trial_is_requeued_and_ends_once(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("second_time", 2))
        while not any(isinstance(event, Advanced) for event in heard):
            launcher.wait()
        _supervisor().send_signal(signal.SIGUSR2)
        finish(launcher)
        starts = [event for event in heard if isinstance(event, Started)]
        ends = [event for event in heard if isinstance(event, Finished | Failed | Killed)]
        assert (len(starts), [type(event) for event in ends]) == (2, [Finished])

    def test_a_job_that_is_killed_fails_its_trial(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("sleep", 3))
        while not any(isinstance(event, Started) for event in heard):
            launcher.wait()
        _supervisor().kill()
        finish(launcher)
        assert isinstance(heard[-1], Failed)
        assert "ended as FINISHED without a result" in heard[-1].error
        assert heard[-1].run_id == "run-3"

    def test_nothing_is_left_of_jobs_that_ended_well(self, make: Make, place: Place) -> None:
        launcher = make()
        run([trial("finish")], launcher)
        launcher.stop(5)
        assert [file.name for file in (place.root / "jobs" / "quick").iterdir()] == ["owner"]

    def test_a_job_of_an_orchestrator_that_was_replaced_does_nothing(
        self, make: Make, place: Place, heard: list[Event]
    ) -> None:
        launcher = make()
        launcher.submit(trial("finish"))
        (place.root / "jobs" / "quick" / "owner").write_text("another")
        finish(launcher)
        assert [type(event) for event in heard] == [Failed]


def _supervisor() -> psutil.Process:
    """The process that Slurm would signal: it runs the job, and the trial is a process of its own."""
    living = [child for child in psutil.Process().children() if is_running(child)]
    (controller,) = [child for child in living if "submitit.local._local" in child.cmdline()]
    return controller.children()[0]


class Slurm:
    """Stand-ins for Slurm's commands, which write down what they were given."""

    _jobs = itertools.count(4001)  # submitit remembers the states of jobs, by their number

    def __init__(self, folder: Path) -> None:
        self.job = next(self._jobs)
        self._folder = folder
        folder.mkdir()
        self._script("srun", "exit 0")
        self.accept()
        self.answer()
        self.state("RUNNING")

    def accept(self) -> None:
        """sbatch takes what it is given."""
        text = f'cp "$1" {self._folder}/submitted-$(date +%N); echo Submitted batch job {self.job}'
        self._script("sbatch", text)

    def refuse(self, text: str) -> None:
        """sbatch takes nothing, and says so."""
        self._script("sbatch", f"echo '{text}' >&2; exit 1")

    def hang(self) -> None:
        """scancel waits for a controller that does not answer."""
        self._script("scancel", "exec sleep 20")

    def say(self, text: str) -> None:
        """scancel fails with these words."""
        self._script("scancel", f"echo '{text}' >&2; exit 1")

    def answer(self) -> None:
        """scancel works."""
        self._script("scancel", f'echo "$@" >> {self._folder}/cancelled')

    def state(self, state: str) -> None:
        """What sacct says of every job."""
        jobs = " ".join(f"{self.job}_{index}" for index in range(4))
        self._script(
            "sacct",
            f'echo "JobID|State|NodeList"; for job in {self.job} {jobs}; do echo "$job|{state}|n1"; done',
        )

    @property
    def submitted(self) -> list[str]:
        return [file.read_text() for file in sorted(self._folder.glob("submitted-*"))]

    @property
    def cancelled(self) -> set[str]:
        file = self._folder / "cancelled"
        return set(file.read_text().split()) if file.exists() else set()

    def _script(self, name: str, text: str) -> None:
        file = self._folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Slurm(folder)


def launched(
    place: Place,
    heard: list[Event],
    trials: Sequence[Trial],
    *options: str,
    workers: int | None = None,
    gpus: float | None = None,
) -> Launcher:
    kind = find_launcher("slurm")
    request = Request(tuple(trials), workers, gpus, options=read_options(kind, options))
    return kind.make(act, place, heard.append, request)


def _jobs(place: Place) -> list[Job]:
    """What was handed to Slurm."""
    files = (place.root / "jobs").rglob("*_submitted.pkl")
    return [submitit.helpers.DelayedSubmission.load(file).function for file in files]


def _of(values: dict[str, int], seed: int) -> Trial:
    made = trial("finish", seed)
    return replace(made, cell=replace(made.cell, experiment=with_values(made.cell.experiment, values)))


def test_an_array_asks_for_what_the_trials_take(place: Place, heard: list[Event], slurm: Slurm) -> None:
    trials = [_of({"training.processes": 2, "training.threads": 3}, seed) for seed in range(3)]
    options = ["partition=gpu", "minutes=90", "mem_gb=12.5", "qos=long", "account=eeg", "constraint=a100"]
    options += ["setup=module load cuda", "signal_seconds=60", "extra={reservation: night}"]
    launcher = launched(place, heard, trials, *options, workers=3, gpus=2)
    for each in trials:
        launcher.submit(each)
    launcher.wait()
    (text,) = slurm.submitted
    flags = {line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")}
    assert {
        "array=0-2%3",
        "cpus-per-task=6",
        "gpus-per-node=2",
        "nodes=1",
        "ntasks-per-node=1",
        "time=90",
        "mem=12800M",
        "partition=gpu",
        "qos=long",
        "account=eeg",
        "constraint=a100",
        "reservation=night",
        "requeue",
        "signal=USR2@60",
        "job-name=ablab-quick",
    } <= flags
    assert "\nmodule load cuda\n" in text
    assert {job.place.device for job in _jobs(place)} == {"cuda"}  # and not "auto", which may be the CPU
    slurm.state("CANCELLED by 0")
    launcher.stop(0)


def test_without_gpus_none_are_asked_for_and_sizes_have_arrays_of_their_own(
    place: Place, heard: list[Event], slurm: Slurm
) -> None:
    trials = [_of({"training.threads": threads}, seed) for seed, threads in enumerate((1, 4, 4))]
    launcher = launched(place, heard, trials)
    assert launcher.capacity == 3
    for each in trials:
        launcher.submit(each)
    launcher.wait()
    texts = slurm.submitted
    assert sorted(text.count("--array=") for text in texts) == [0, 1]
    assert not any("SBATCH --gpus" in text or "SBATCH --mem" in text for text in texts)
    assert {job.place.device for job in _jobs(place)} == {"auto"}
    slurm.state("CANCELLED by 0")
    launcher.stop(0)


def test_stop_cancels_what_waits_in_the_queue(place: Place, heard: list[Event], slurm: Slurm) -> None:
    trials = [trial("finish", seed) for seed in range(2)]
    launcher = launched(place, heard, trials)
    for each in trials:
        launcher.submit(each)
    launcher.wait()
    slurm.state("CANCELLED by 0")
    launcher.stop(0.5)
    assert slurm.cancelled == {f"{slurm.job}_0", f"{slurm.job}_1"}
    assert [type(event) for event in heard] == [Killed, Killed]


@pytest.mark.parametrize(
    ("state", "end", "text"),
    [
        ("OUT_OF_MEMORY", Failed, "ended as OUT_OF_MEMORY without a result"),
        ("CANCELLED by 0", Killed, "was cancelled in Slurm"),
    ],
)
def test_what_slurm_says_of_a_job_without_a_result(
    place: Place,
    heard: list[Event],
    slurm: Slurm,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    end: type[Event],
    text: str,
) -> None:
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._LOOK_SECONDS", 0.0)
    slurm.state(state)
    launcher = launched(place, heard, [trial("finish")])
    launcher.submit(trial("finish"))
    finish(launcher)
    assert isinstance(heard[-1], end)
    assert text in (heard[-1].error if isinstance(heard[-1], Failed) else heard[-1].reason)  # type: ignore[union-attr]


def test_a_job_that_a_dead_orchestrator_left_is_cancelled_first(
    place: Place, heard: list[Event], slurm: Slurm
) -> None:
    killed = launched(place, heard, [trial("finish")])
    killed.submit(trial("finish"))
    killed.wait()
    again = launched(place, heard, [trial("finish")])
    again.submit(trial("finish"))
    again.wait()
    assert slurm.cancelled == {str(slurm.job)}
    slurm.state("CANCELLED by 0")
    again.stop(0)


def test_a_controller_that_hangs_is_named_and_the_earlier_job_stays_known(
    place: Place, heard: list[Event], slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._ANSWER_SECONDS", 0.2, raising=False)
    killed = launched(place, heard, [trial("finish")])
    killed.submit(trial("finish"))
    killed.wait()
    slurm.hang()
    again = launched(place, heard, [trial("finish")])
    again.submit(trial("finish"))
    with pytest.raises(
        LauncherError, match=rf"scancel gets no answer .* \(jobs {slurm.job}\); run this again"
    ):
        again.wait()
    again.stop(0)
    assert [type(event) for event in heard] == [Killed]
    assert len(slurm.submitted) == 1
    slurm.answer()
    third = launched(place, heard, [trial("finish")])
    third.submit(trial("finish"))
    third.wait()
    assert slurm.cancelled == {str(slurm.job)}
    slurm.state("CANCELLED by 0")
    third.stop(0)


def test_stop_does_not_wait_for_a_controller_that_hangs(
    place: Place, heard: list[Event], slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._ANSWER_SECONDS", 2.0)
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._FORCED_SECONDS", 0.2)
    trials = [trial("finish", seed) for seed in range(4)]
    launcher = launched(place, heard, trials)
    for each in trials:
        launcher.submit(each)
    launcher.wait()
    slurm.hang()
    began = time.monotonic()
    launcher.stop(0)
    assert time.monotonic() - began < 7  # two requests, however many trials there are
    warned = [event.text for event in heard if isinstance(event, Warned)]
    assert sum(f"job {slurm.job}_0 may still run" in text for text in warned) == len(warned) / 4 > 0
    assert [type(event) for event in heard[-4:]] == [Killed] * 4
    notes = (place.root / "jobs" / "quick").glob("*.job")
    # The next orchestrator cancels them.
    assert {note.read_text() for note in notes} == {f"{slurm.job}_{index}" for index in range(4)}


def test_a_controller_that_is_down_has_cancelled_nothing(
    place: Place, heard: list[Event], slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablab.orchestration.slurm_launcher._FORCED_SECONDS", 0.2)
    launcher = launched(place, heard, [trial("finish")])
    launcher.submit(trial("finish"))
    launcher.wait()
    slurm.say("scancel: error: Unable to contact slurm controller (connect failure)")
    launcher.stop(0)
    (note,) = (place.root / "jobs" / "quick").glob("*.job")
    assert note.read_text() == str(slurm.job)


def test_what_slurm_cannot_do_is_refused(place: Place, heard: list[Event], slurm: Slurm) -> None:
    with pytest.raises(InputError, match=r"gpus_per_trial is 0\.5, and Slurm hands out whole GPUs"):
        launched(place, heard, [trial("finish")], gpus=0.5)
    with pytest.raises(InputError, match="--device cuda:0: Slurm places the trials"):
        launched(replace(place, device="cuda:0"), heard, [trial("finish")])
    with pytest.raises(InputError, match="several machines cannot write to safely"):
        launched(replace(place, store_uri=None), heard, [trial("finish")])
    launched(replace(place, store_uri="postgresql://db/mlflow"), heard, [trial("finish")])


def test_what_sbatch_refuses_is_wrong_input_at_first_and_fails_single_trials_later(
    place: Place, heard: list[Event], slurm: Slurm
) -> None:
    launcher = launched(place, heard, [trial("finish")])
    launcher.submit(trial("finish"))
    slurm.refuse("sbatch: error: invalid partition specified: gpuu")
    with pytest.raises(InputError, match=r"sbatch takes no jobs: sbatch: error: invalid partition specified"):
        launcher.wait()
    launcher.stop(0)
    assert isinstance(heard.pop(), Killed)
    launcher = launched(place, heard, [trial("finish"), trial("report")])
    slurm.accept()
    launcher.submit(trial("finish"))
    launcher.wait()
    slurm.refuse("sbatch: error: Unable to contact slurm controller")
    launcher.submit(trial("report"))
    launcher.wait()
    (failed,) = heard
    assert isinstance(failed, Failed) and failed.cause == "died" and failed.key == trial("report").key
    assert failed.error == "sbatch takes no jobs: sbatch: error: Unable to contact slurm controller"
    assert launcher.in_flight == (trial("finish"),)
    slurm.state("CANCELLED by 0")
    launcher.stop(0)


def test_without_slurm_the_text_says_so(
    place: Place, heard: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no srun is on this machine's PATH"):
        launched(place, heard, [trial("finish")])
    assert not (place.root / "jobs").exists()


def test_wrong_options_are_all_named() -> None:
    with pytest.raises(SpecError) as refused:
        read_options(find_launcher("slurm"), ["partion=gpu", "minutes=0", "qos"])
    assert str(refused.value).splitlines() == [
        "--launcher-option: 'qos' is not key=value",
        "--launcher-option: minutes: must be at least 1, not 0",
        "--launcher-option: partion: unknown key (did you mean 'partition'?)",
        "--launcher-option: the slurm launcher takes: partition, account, qos, constraint, minutes, mem_gb, "
        "signal_seconds, requeues, setup, extra, cluster",
    ]
