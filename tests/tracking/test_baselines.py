"""The registry of baselines and the log of gates keep their promises on a database and on a server."""

from __future__ import annotations

import pytest

from ablab.errors import InputError, NotFoundError
from ablab.paths import Paths
from ablab.tracking.baselines import BaselineRegistry
from ablab.tracking.gates import GateLog
from ablab.tracking.mlflow.baselines import MlflowBaselines
from ablab.tracking.mlflow.connection import Connection
from ablab.tracking.mlflow.gates import MlflowGates
from ablab.tracking.mlflow.store import MlflowStore

TAGS = {"cell": "residual=gated", "seeds": "0, 1, 2", "who": "ada", "why": "shown once"}


@pytest.fixture(params=["sqlite", "server"])
def uri(request: pytest.FixtureRequest, paths: Paths) -> str:
    if request.param == "sqlite":
        request.getfixturevalue("sqlite_store")  # a database that has its tables
        return f"sqlite:///{paths.mlflow_db}"
    return str(request.getfixturevalue("server"))


@pytest.fixture
def registry(uri: str, paths: Paths) -> BaselineRegistry:
    return MlflowBaselines(uri, paths, patience_seconds=5)


@pytest.fixture
def gates(uri: str, paths: Paths) -> GateLog:
    return MlflowGates(uri, paths, patience_seconds=5)


def test_a_promotion_is_a_version_whose_source_is_the_manifest(
    registry: BaselineRegistry, uri: str, paths: Paths, study: str
) -> None:
    made = registry.register(study, study, '{"n": 1}', TAGS)
    assert (made.name, made.version, made.is_current) == (study, 1, True)
    assert made.source.endswith(f"{made.run_id}/artifacts/baseline/manifest.json")
    (found,) = registry.versions(study)
    assert found == made
    assert found.tags.items() >= TAGS.items()
    assert registry.manifest(found) == '{"n": 1}'
    client = Connection.patient(uri, paths, 5).client
    assert client.get_model_version_by_alias(study, "baseline").run_id == made.run_id
    run = client.get_run(made.run_id)
    assert (run.info.status, run.data.tags["role"], run.data.tags["who"]) == ("FINISHED", "baseline", "ada")
    assert MlflowStore(uri, paths, patience_seconds=5).states(study) == ()  # no trial, and never read as one


def test_earlier_versions_are_kept_and_the_alias_moves(registry: BaselineRegistry, study: str) -> None:
    for number in (1, 2, 3):
        registry.register(study, study, f'{{"n": {number}}}', {**TAGS, "why": str(number)})
    versions = registry.versions(study)
    assert [(each.version, each.is_current, each.tags["why"]) for each in versions] == [
        (1, False, "1"),
        (2, False, "2"),
        (3, True, "3"),
    ]
    assert [registry.manifest(each) for each in versions] == ['{"n": 1}', '{"n": 2}', '{"n": 3}']


def test_a_name_that_is_not_there_is_told_with_the_nearest(registry: BaselineRegistry, study: str) -> None:
    registry.register(study, study, "{}", TAGS)
    with pytest.raises(NotFoundError, match=rf"{study}x: no such baseline in .*did you mean '{study}'"):
        registry.versions(f"{study}x")


def test_somebody_elses_model_is_left_alone(
    registry: BaselineRegistry, uri: str, paths: Paths, study: str
) -> None:
    client = Connection.patient(uri, paths, 5).client
    client.create_registered_model(study)
    with pytest.raises(InputError, match="that is no baseline of ablab; choose another name"):
        registry.register(study, study, "{}", TAGS)
    with pytest.raises(NotFoundError, match="no such baseline"):
        registry.versions(study)
    assert client.search_model_versions(f"name = '{study}'") == []


def test_a_gate_is_open_until_it_is_finished(gates: GateLog, uri: str, paths: Paths, study: str) -> None:
    store = MlflowStore(uri, paths, patience_seconds=5)
    first = gates.open(study, f"{study}-a", {"regression": study, "baseline": f"{study}-base"})
    assert gates.open(study, f"{study}-a", {"regression": study}) == first  # asked again after a lost answer
    assert [gate.status for gate in gates.gates(study)] == ["running"]
    gates.finish(
        first, {"verdict": "PASS"}, {"gate/delta": -0.25, "gate/x": float("nan")}, {"gate.md": "fine\n"}
    )
    second = gates.open(study, f"{study}-b", {"regression": study, "baseline": f"{study}-base"})
    store.close(second, "killed", "interrupted")
    for name in (study, f"{study}-base"):
        done, killed = gates.gates(name)
        assert (done.run_id, done.status, done.tags["verdict"]) == (first, "finished", "PASS")
        assert done.metrics == {"gate/delta": -0.25}
        assert (killed.run_id, killed.status, killed.tags["error"]) == (second, "killed", "interrupted")
    assert store.artifact(first, "gate.md").read_text() == "fine\n"
    assert {study, f"{study}-base"} <= set(gates.names())
    assert gates.gates("nothing") == ()
    assert store.states(study) == ()
