"""The ray launcher on three nodes with made-up GPUs; a grid that loses a node is in test_node_loss.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from acts import act
from hand_made import trial
from launcher_contract import LauncherContract, Make, run
from ray_cluster import cluster

from ablab.errors import InputError
from ablab.orchestration.events import Event, Failed, Finished, Killed, Started
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Launcher, Place, Request
from ablab.orchestration.ray_launcher import Options, _connect
from ablab.spec.load import with_values
from ablab.spec.trial import Trial

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def three_nodes() -> Iterator[None]:
    """Connected to before any launcher is made, which then uses this connection."""
    with cluster((1, 0), (2, 2), (1, 1)) as made:
        ray.init(address=made.address, log_to_driver=False)
        yield


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place((tmp_path / "mlruns").absolute(), "http://127.0.0.1:1", tmp_path)


@pytest.fixture
def heard() -> list[Event]:
    return []


def launched(
    place: Place, heard: list[Event], of: Trial, *, workers: int | None = None, gpus: float | None = None
) -> Launcher:
    kind = find_launcher("ray")
    request = Request((of,), workers, gpus, options=read_options(kind, ()))
    return kind.make(act, place, heard.append, request)


def of_processes(n: int, how: str = "finish", seed: int = 0) -> Trial:
    made = trial(how, seed)
    experiment = with_values(made.cell.experiment, {"training.processes": n})
    return replace(made, cell=replace(made.cell, experiment=experiment))


class TestRayLauncher(LauncherContract):
    name = "ray"

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place((tmp_path / "mlruns").absolute(), "http://127.0.0.1:1", tmp_path)

    def test_a_trial_that_dies_fails_with_the_signal_and_its_last_words(
        self, make: Make, heard: list[Event]
    ) -> None:
        run([trial("die", 1)], make())
        assert isinstance(heard[-1], Failed)
        assert "SIGKILL" in heard[-1].error
        assert "bad_alloc" in heard[-1].error
        assert heard[-1].run_id == "run-1"

    def test_stop_lets_a_trial_close_its_run(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("sleep"))
        while not heard:
            launcher.wait()
        launcher.stop(20)
        assert heard[-1] == Killed(trial("sleep").key, "run-0", "interrupted", closed=True)

    def test_stop_ends_what_waits_for_room_and_what_does_not_listen(
        self, make: Make, heard: list[Event]
    ) -> None:
        launcher = make(8)
        for seed in range(6):
            launcher.submit(trial("ignore", seed))
        while not any(isinstance(event, Started) for event in heard):
            launcher.wait()
        launcher.stop(0.5)
        assert launcher.in_flight == ()
        killed = [event for event in heard if isinstance(event, Killed)]
        assert {event.key for event in killed} == {trial("ignore", seed).key for seed in range(6)}


def test_as_many_at_once_as_the_nodes_hold(place: Place, heard: list[Event]) -> None:
    assert launched(place, heard, trial("finish"), gpus=0).capacity == 4
    assert launched(place, heard, trial("finish")).capacity == 3  # a GPU each, since there are GPUs
    assert launched(place, heard, trial("finish"), gpus=0.5).capacity == 3  # and a core each
    assert launched(place, heard, of_processes(2)).capacity == 1
    assert launched(place, heard, trial("finish"), workers=7).capacity == 7


def test_a_trial_sees_the_gpus_that_it_was_given(place: Place, heard: list[Event]) -> None:
    launcher = launched(place, heard, of_processes(2, "gpus"))
    run([of_processes(2, "gpus")], launcher)
    assert isinstance(heard[-1], Finished)
    assert heard[-1].run_id == "0,1"


@pytest.mark.parametrize(
    ("gpus", "facts"),
    [
        (0.5, {"share": 0.5, "on_cuda": 1, "on_cpu": 0}),
        (None, {"share": 1, "on_cuda": 1, "on_cpu": 0}),
        (0, {"share": 1, "on_cuda": 0, "on_cpu": 1}),
    ],
)
def test_a_trial_is_on_the_gpus_that_it_was_given_or_on_none(
    place: Place, heard: list[Event], gpus: float | None, facts: dict[str, float]
) -> None:
    run([trial("gpus")], launched(place, heard, trial("gpus"), gpus=gpus))
    assert isinstance(heard[-1], Finished)
    assert heard[-1].metrics == facts


def test_what_no_node_has_is_refused_at_once_with_the_numbers(place: Place, heard: list[Event]) -> None:
    with pytest.raises(InputError) as refused:
        launched(place, heard, of_processes(4))
    assert str(refused.value).startswith(
        "a trial takes 4 GPUs and 4 cores, and no node of the Ray cluster has that: the largest of 3 has "
        "2 GPUs and 2 cores; ask for less"
    )
    with pytest.raises(InputError, match="a trial takes 0 GPUs and 3 cores"):
        launched(replace(place, device="cpu"), heard, of_processes(3))


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        (None, "it is a SQLite file under the state root, which several machines cannot write to safely"),
        ("sqlite:////srv/mlflow.db", "it is /srv/mlflow.db"),
        ("postgresql://me:secret@db/mlflow", "it is postgresql://db/mlflow"),
    ],
)
def test_a_store_that_workers_cannot_write_to_is_refused(
    place: Place, heard: list[Event], uri: str | None, named: str
) -> None:
    with pytest.raises(InputError) as refused:
        launched(replace(place, store_uri=uri), heard, trial("finish"))
    assert named in str(refused.value)
    assert "set MLFLOW_TRACKING_URI=http://HOST:PORT" in str(refused.value)


def test_ray_chooses_the_device(place: Place, heard: list[Event]) -> None:
    with pytest.raises(InputError, match="--device cuda:1: Ray places the trials; give auto or cpu"):
        launched(replace(place, device="cuda:1"), heard, trial("finish"))


def test_a_folder_is_copied_by_the_connection_and_not_by_one_that_is_there(
    place: Place, heard: list[Event]
) -> None:
    kind = find_launcher("ray")
    request = Request((trial("finish"),), options=read_options(kind, ["working_dir=."]))
    with pytest.raises(InputError, match="working_dir: this process is connected to Ray already"):
        kind.make(act, place, heard.append, request)


def test_a_client_connection_is_refused() -> None:
    with pytest.raises(InputError, match="a Ray Client connection cannot carry a grid"):
        _connect(Options(address="ray://10.0.0.1:10001"))
