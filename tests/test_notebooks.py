"""``ablab.load_study``: light to import, true to the runs; the documented example prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.comparison.made_up import additive, table

import ablab
from ablab.designs.expand import expand
from ablab.errors import NotFoundError
from ablab.notebooks import Study, load_study
from ablab.orchestration.declared import declare
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.tracking.memory import MemoryStore

EXAMPLE = re.compile(r"```python\n(.*?)```.*?```text\n(.*?)```", re.DOTALL)


GRID = """
kind: grid
name: made_up
base: base.yaml
factors:
  improvements.residual: [none, global, gated]
  improvements.mlp_head: [false, true]
  improvements.gradient_scale: [1.0, 2.0]
seeds: [0, 1, 2, 3, 4]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state root in which the study is declared."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "base.yaml").write_text("name: made_up\ndataset: {kind: simulated}\n")
    (folder / "grid.yaml").write_text(GRID)
    declare(load_grid(folder / "grid.yaml"), Paths(folder))
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> MemoryStore:
    """A made-up study of 12 cells x 5 seeds, one run of it failed."""
    store = MemoryStore()
    loaded = load_grid(home / "grid.yaml")
    made = {(each.cell, each.seed): each for each in table(additive, n_subjects=6, seeds=range(5))}
    for number, trial in enumerate(expand(loaded.grid, loaded.bases, "d" * 32)):
        record = made[trial.cell.id, trial.seed]
        writer = store.open_run(trial)
        writer.metrics(100, {"validation/pearson": record.metrics["test/pearson"] - 0.01})
        writer.metrics(200, {"validation/pearson": record.metrics["test/pearson"] + 0.01})
        if number == 8:
            writer.fail("loss is NaN", "Traceback ...")
        else:
            writer.finish(record.metrics, record.subjects)
    return store


@pytest.fixture(scope="module")
def study(store: MemoryStore, home: Path) -> Study:
    return load_study("made_up", store=store, root=home)


def test_importing_ablab_is_light_and_loading_imports_no_torch() -> None:
    code = (
        "import sys, ablab; light = {'numpy', 'pandas', 'click', 'mlflow', 'torch'} & set(sys.modules);"
        "ablab.load_study; print(sorted(light), 'torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False False"
    assert "load_study" in dir(ablab)
    with pytest.raises(AttributeError, match="module 'ablab' has no attribute 'lod_study'"):
        ablab.lod_study  # noqa: B018 - the access is what is tested


def test_every_table_is_true_to_the_runs(study: Study, store: MemoryStore) -> None:
    records = store.records("made_up")
    assert len(study.runs) == 60
    assert study.runs["status"].value_counts().to_dict() == {"finished": 59, "failed": 1}
    assert study.runs.set_index("run")["test/pearson"].dropna().to_dict() == {
        run.key: run.metrics["test/pearson"] for run in records if run.status == "finished"
    }
    subject = study.scores.query("metric == 'test/pearson' and subject == 'sub-00'")
    assert subject.set_index("run")["value"].to_dict() == {
        run.key: run.subjects[0].test for run in records if run.status == "finished"
    }
    assert study.cells["cell"].tolist() == [row.cell for row in study.comparison.rows]
    assert study.cells["delta"].tolist()[1] == study.comparison.rows[1].effect.test.mean
    assert (study.effects["kind"] == "main").sum() == 4
    assert (study.effects["kind"] == "interaction").sum() == 5
    assert study.subjects["difference"].is_monotonic_decreasing
    assert set(study.curves()["step"]) == {100, 200}
    assert len(study.curves()) == 59 * 2
    assert list(study.curves("no/such").columns) == list(study.curves().columns)
    assert study.html().startswith("<!DOCTYPE html>")
    assert repr(study).startswith("<Study made_up: On simulated listeners: ")


def test_a_study_is_found_by_name_by_file_or_as_the_latest(
    store: MemoryStore, root: Path, paths: Paths
) -> None:
    assert load_study(store=store, root=paths.root).name == "made_up"
    with pytest.raises(NotFoundError, match="did you mean 'made_up'"):
        load_study("made_upp", store=store)
    with pytest.raises(NotFoundError, match="quickstart: no such study"):
        load_study(root / "ablations" / "quickstart.yaml", store=store)
    assert load_grid(root / "ablations" / "quickstart.yaml").study == "quickstart"


def test_the_documented_example_prints_what_stands_beneath_it(
    store: MemoryStore, home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLAB_HOME", str(home))
    (code, expected) = EXAMPLE.search((root / "docs" / "python_api.md").read_text(encoding="utf-8")).groups()
    monkeypatch.setattr("ablab.notebooks.open_store", lambda paths: store)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/python_api.md", "exec"), {})
    assert printed.getvalue() == expected
