"""Trials and scores built by hand, and the three stores that keep one contract."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.mlflow_server import free_port, running_server

from ablab.paths import Paths
from ablab.spec.experiment import Experiment, Improvements, Level, Simulated
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Cell, Trial
from ablab.tracking.memory import MemoryStore
from ablab.tracking.mlflow.store import MlflowStore
from ablab.tracking.store import RunStore

MakeTrial = Callable[..., Trial]


def build_trial(
    study: str,
    seed: int = 0,
    residual: str = "gated",
    factors: Mapping[str, Level] | None = None,
    experiment: Experiment | None = None,
) -> Trial:
    factors = factors or {
        "improvements.residual": residual,
        "improvements.mlp_head": True,
        "improvements.gradient_scale": 2.0,
    }
    cell = Cell(
        id=f"residual={residual},mlp_head=true,gradient_scale=2.0",
        label=f"{residual} · mlp · gs2",
        factors=factors,
        experiment=experiment
        or Experiment(
            name="quickstart",
            dataset=Simulated(minutes=0.1 + 0.2, n_subjects=3),
            improvements=Improvements.model_validate(
                {"residual": residual, "mlp_head": True, "gradient_scale": 2.0}
            ),
        ),
    )
    key = hashlib.md5(f"{study}/{cell.id}/{seed}".encode()).hexdigest()
    return Trial(key=key, study=study, cell=cell, seed=seed, data_fingerprint="d4ta")


@pytest.fixture
def make_trial() -> MakeTrial:
    return build_trial


@pytest.fixture
def scores() -> tuple[SubjectScore, ...]:
    return (
        SubjectScore("sub-001", 2, 11, 0.1 + 0.2, 1 / 3, -0.001, 0.04, chance_p=1 / 1001),
        SubjectScore("sub-002", 1, 6, None, -0.0125, 0.0, 0.05),
        SubjectScore("sub-003", 1, 6, 0.02, 0.01, 0.0, 0.05, seen=False),
    )


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server, which keeps artifacts itself."""
    with running_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def patient_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a killed run has time to arrive: a second, as otherwise, is too short on a busy machine."""
    monkeypatch.setattr("ablab.tracking.mlflow.writer._KILL_SECONDS", 30.0)


@pytest.fixture
def sqlite_store(paths: Paths, tables: None, patient_ends: None) -> MlflowStore:
    return MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)


@pytest.fixture(params=["memory", "sqlite", "server"])
def store(request: pytest.FixtureRequest, paths: Paths, patient_ends: None) -> RunStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_store")
    return MlflowStore(request.getfixturevalue("server"), paths, patience_seconds=5)


@pytest.fixture
def study(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, since all tests share one server."""
    return f"study-{hashlib.md5(request.node.nodeid.encode()).hexdigest()[:8]}"


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    file = tmp_path / "train.log"
    file.write_text("epoch 1\n")
    return file
