"""A study on another machine: exported from one store, imported into another, compared there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from ablab.errors import InputError, NotFoundError
from ablab.orchestration.grid import run_grid
from ablab.orchestration.moving import export_study, import_bundle
from ablab.orchestration.study_comparison import compare_study
from ablab.paths import Paths
from ablab.tracking.open import open_store, open_transfer

pytestmark = pytest.mark.usefixtures("tables")

LARGE = 10**9


@pytest.fixture(scope="module")
def grid_root(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A state root with a finished grid of two cells and two seeds."""
    folder = tmp_path_factory.mktemp("hpc")
    paths = Paths(folder / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLAB_HOME", str(paths.root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        done = run_grid(
            tiny.loaded(folder, seeds=(0, 1)), paths=paths, store=open_store(paths), launcher="inline"
        )
    assert done.completed == 4
    return paths


@pytest.fixture
def bundle(grid_root: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "tinygrid.zip"
    done = export_study(
        "tinygrid", out, store=open_store(grid_root), transfer=open_transfer(grid_root), paths=grid_root
    )
    assert (done.runs, done.left_out) == (4, ())
    return out


def taken_in(file: Path, paths: Paths):
    return import_bundle(file, transfer=open_transfer(paths), paths=paths, most_bytes=LARGE)


def test_the_study_reads_the_same_on_the_other_machine(grid_root: Paths, bundle: Path, paths: Paths) -> None:
    done = taken_in(bundle, paths)
    assert (done.imported, done.here_already, done.kept_own, done.notes) == (4, 0, (), ())
    there, here = open_store(grid_root), open_store(paths)
    ours = {record.key: record for record in here.records("tinygrid")}
    for theirs in there.records("tinygrid"):
        mine = ours[theirs.key]
        assert replace(mine, run_id="", seconds=0) == replace(theirs, run_id="", seconds=0)
        assert mine.seconds == pytest.approx(theirs.seconds, abs=0.01)
        assert here.curves(mine.run_id) == there.curves(theirs.run_id)
        for name in ("spec.yaml", "per_subject.csv", "best.pt", "predictions.npz"):
            ours_file, theirs_file = (
                store.artifact(run.run_id, name) for store, run in ((here, mine), (there, theirs))
            )
            assert ours_file.read_bytes() == theirs_file.read_bytes()
    here_rows, there_rows = (
        [(row.cell, row.own.mean, row.effect and row.effect.test.mean) for row in found.rows]
        for found in (
            compare_study("tinygrid", paths=paths, store=here),
            compare_study("tinygrid", paths=grid_root, store=there),
        )
    )
    assert here_rows == there_rows


def test_importing_again_changes_nothing(bundle: Path, paths: Paths) -> None:
    taken_in(bundle, paths)
    before = open_store(paths).records("tinygrid")
    done = taken_in(bundle, paths)
    assert (done.imported, done.here_already) == (0, 4)
    assert open_store(paths).records("tinygrid") == before


def test_importing_into_its_own_store_changes_nothing(grid_root: Paths, bundle: Path) -> None:
    done = taken_in(bundle, grid_root)
    assert (done.imported, done.here_already) == (0, 4)


def test_an_import_that_was_interrupted_goes_on(
    bundle: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking.client import MlflowClient

    ends = MlflowClient.set_terminated
    calls = []

    def breaking(self: MlflowClient, *arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        ends(self, *arguments)

    monkeypatch.setattr(MlflowClient, "set_terminated", breaking)
    with pytest.raises(KeyboardInterrupt):
        taken_in(bundle, paths)
    states = [state.status for state in open_store(paths).states("tinygrid")]
    assert sorted(states) == ["finished", "running"]
    done = taken_in(bundle, paths)
    assert (done.imported, done.here_already) == (3, 1)
    found = open_store(paths).states("tinygrid")
    assert [state.status for state in found] == ["finished"] * 4
    assert len({state.key for state in found}) == 4


def test_a_trial_of_ones_own_stays(bundle: Path, paths: Paths, tmp_path: Path) -> None:
    own = run_grid(tiny.loaded(tmp_path, seeds=(1,)), paths=paths, store=open_store(paths), launcher="inline")
    assert own.completed == 2
    before = {state.run_id for state in open_store(paths).states("tinygrid")}
    done = taken_in(bundle, paths)
    assert (done.imported, len(done.kept_own)) == (2, 2)
    assert before < {state.run_id for state in open_store(paths).states("tinygrid")}
    assert len(done.notes) == 1
    assert "another analysis is declared here; it stays" in done.notes[0]


def test_an_unknown_study_is_named(grid_root: Paths, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'tinygrid'"):
        export_study(
            "tinygird",
            tmp_path / "x.zip",
            store=open_store(grid_root),
            transfer=open_transfer(grid_root),
            paths=grid_root,
        )


def test_runs_of_another_study_are_refused(bundle: Path, paths: Paths, tmp_path: Path) -> None:
    import zipfile

    renamed = tmp_path / "renamed.zip"
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(renamed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "bundle.json":
                data = json.dumps(json.loads(data) | {"study": "other"}).encode()
            target.writestr(name, data)
    with pytest.raises(InputError, match="is no run of study other; nothing was imported"):
        taken_in(renamed, paths)
    assert open_store(paths).studies() == ()
