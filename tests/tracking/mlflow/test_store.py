"""What is seen of a study in MLflow itself, and how quickly it is written and read."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from mlflow.tracking.client import MlflowClient

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.spec.experiment import Experiment, SplitFolder
from ablab.spec.identity import flatten
from ablab.spec.record import SubjectScore
from ablab.tracking.journal import Journal
from ablab.tracking.mlflow.database import Database
from ablab.tracking.mlflow.remote import Remote
from ablab.tracking.mlflow.rows import oldest_first
from ablab.tracking.mlflow.store import MlflowStore
from ablab.tracking.mlflow.writer import MlflowWriter
from ablab.tracking.store import BaselineRun, CellSummary


@pytest.fixture
def client(paths: Paths, sqlite_store: MlflowStore) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{paths.mlflow_db}")


def _names(client: MlflowClient, study: str, condition: str) -> set[str]:
    experiment = client.get_experiment_by_name(study)
    return {run.info.run_name for run in client.search_runs([experiment.experiment_id], condition)}


def test_filters_of_the_ui_find_cells_by_factor_level(sqlite_store, client, make_trial):
    for residual in ("none", "gated"):
        sqlite_store.open_run(make_trial("s", 1, residual)).finish({"test/pearson": 0.1}, ())
    assert _names(client, "s", "tags.residual = 'gated'") == {"gated · mlp · gs2 · s1"}
    assert _names(client, "s", "tags.mlp_head = 'true' AND tags.gradient_scale = '2.0'") == {
        "gated · mlp · gs2 · s1",
        "none · mlp · gs2 · s1",
    }
    assert _names(client, "s", "tags.cell LIKE 'residual=none%' AND tags.role = 'seed'") == {
        "none · mlp · gs2 · s1"
    }
    assert _names(client, "s", "params.`training.learning_rate` = '0.0001' AND tags.seed = '2'") == set()


def test_a_run_shows_params_tags_and_artifacts(sqlite_store, client, paths, make_trial, scores):
    trial = make_trial("s")
    writer = sqlite_store.open_run(trial)
    writer.finish({"test/pearson": 0.1}, scores)
    run = client.get_run(writer.run_id)

    assert set(run.data.params) == set(flatten(trial.cell.experiment))
    assert run.data.params["improvements.mlp_head"] == "true"
    assert run.data.params["training.clip_norm"] == "null"
    tags = {"study": "s", "seed": "0", "key": trial.key, "role": "seed", "data_fingerprint": "d4ta"}
    assert tags.items() <= run.data.tags.items()
    for name in ("python_version", "torch_version", "mlflow_version", "host", "pid", "started", "label"):
        assert run.data.tags[name]
    assert run.info.artifact_uri.startswith(f"{(paths.artifacts / 's').as_uri()}/")
    assert {"spec.yaml", "per_subject.csv"} <= {item.path for item in client.list_artifacts(writer.run_id)}
    table = sqlite_store.artifact(writer.run_id, "per_subject.csv").read_text().splitlines()
    assert table[0] == "subject,n_recordings,n_segments,validation,test,chance_mean,chance_p95,seen,chance_p"
    assert table[2] == "sub-002,1,6,,-0.0125,0.0,0.05,True,"
    assert table[3] == "sub-003,1,6,0.02,0.01,0.0,0.05,False,"


def test_a_table_of_before_unseen_subjects_still_loads(sqlite_store, client, make_trial, scores):
    writer = sqlite_store.open_run(make_trial("s"))
    writer.finish({"test/pearson": 0.1}, scores)
    old = json.dumps([astuple(score)[:7] for score in scores])
    client.set_tag(writer.run_id, "ablab.subjects", old)
    (record,) = sqlite_store.records("s")
    assert record.subjects == tuple(replace(score, seen=True, chance_p=None) for score in scores)


def test_the_spec_artifact_loads_unchanged(sqlite_store, make_trial, tmp_path):
    from ablab.spec.load import load_experiment

    trial = make_trial("s")
    writer = sqlite_store.open_run(trial)
    writer.flush()
    assert (
        load_experiment(sqlite_store.artifact(writer.run_id, "spec.yaml")).experiment == trial.cell.experiment
    )


def test_not_finite_metrics_are_named_in_a_tag(sqlite_store, client, make_trial):
    writer = sqlite_store.open_run(make_trial("s"))
    writer.metrics(1, {"gradient/ratio": float("nan"), "train/loss": float("inf"), "gate/mean": 0.5})
    writer.finish({}, ())
    run = client.get_run(writer.run_id)
    assert run.data.tags["not_finite"] == "gradient/ratio, train/loss"
    assert set(run.data.metrics) == {"gate/mean"}


def test_a_continued_run_keeps_one_point_per_step(sqlite_store, client, make_trial):
    writer = sqlite_store.open_run(make_trial("s"))
    for step in (1, 2, 3):
        writer.metrics(step, {"train/loss": 1.0 / step})
    writer.kill("interrupted")
    writer = sqlite_store.open_run(make_trial("s"))
    for step in (1, 2, 3, 4):
        writer.metrics(step, {"train/loss": 1.0 / step})
    writer.finish({"train/loss": 0.25}, ())
    points = client.get_metric_history(writer.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)]
    assert client.get_run(writer.run_id).data.tags["attempt"] == "2"


def test_more_than_one_batch_is_written_in_order(sqlite_store, client, make_trial):
    writer = sqlite_store.open_run(make_trial("s"))
    for step in range(1500):
        writer.metrics(step, {"train/loss": float(step), "gradient/norm": 1.0})
    writer.tag({f"t{n}": str(n) for n in range(250)})
    writer.finish({}, ())
    history = client.get_metric_history(writer.run_id, "train/loss")
    assert [point.value for point in history] == list(map(float, range(1500)))
    assert client.get_run(writer.run_id).data.tags["t249"] == "249"


def test_a_superseded_run_leaves_the_role_filter(sqlite_store, client, make_trial):
    first = sqlite_store.open_run(make_trial("s"))
    first.finish({}, ())
    second = sqlite_store.open_run(make_trial("s"))
    tags = client.get_run(first.run_id).data.tags
    assert (tags["role"], tags["superseded_by"]) == ("superseded", second.run_id)
    assert len(_names(client, "s", "tags.role = 'seed'")) == 1


def test_two_runs_of_one_key_left_by_a_crash_are_one_state(sqlite_store, client, make_trial):
    first = sqlite_store.open_run(make_trial("s"))
    first.finish({"test/pearson": 0.1}, ())
    second = sqlite_store.open_run(make_trial("s"))
    # As if the process had died between opening the second run and marking the first one.
    client.set_tag(first.run_id, "role", "seed")
    client.set_tag(first.run_id, "superseded_by", "")
    assert [state.run_id for state in sqlite_store.states("s")] == [second.run_id]
    third = sqlite_store.open_run(make_trial("s"))
    assert third.run_id == second.run_id
    assert client.get_run(first.run_id).data.tags["role"] == "superseded"


def test_summary_runs_are_rewritten_in_place(sqlite_store, client, make_trial):
    def summarise(metrics: dict[str, float]) -> None:
        factors = {"improvements.residual": "gated", "improvements.mlp_head": True}
        sqlite_store.summarise("s", [CellSummary("residual=gated", "gated", factors, metrics)])

    def found() -> list[tuple[str, dict[str, float]]]:
        experiment = client.get_experiment_by_name("s").experiment_id
        runs = client.search_runs([experiment], "tags.role = 'cell' AND tags.residual = 'gated'")
        return [(run.info.run_id, run.data.metrics) for run in runs]

    summarise({"test/pearson": 0.2, "seeds": 2})
    ((run_id, _),) = found()
    summarise({"test/pearson": 0.15, "seeds": 3})
    summarise({"test/pearson": 0.15, "seeds": 3})
    assert found() == [(run_id, {"test/pearson": 0.15, "seeds": 3.0})]
    assert len(client.get_metric_history(run_id, "test/pearson")) == 2
    summarise({"test/pearson": 0.15})
    ((other, metrics),) = found()
    assert other != run_id and metrics == {"test/pearson": 0.15}
    assert client.get_run(other).info.status == "FINISHED"


def test_the_description_stands_on_the_study(sqlite_store, client):
    sqlite_store.describe("s", "# Results\n\nmade up")
    assert client.get_experiment_by_name("s").tags["mlflow.note.content"] == "# Results\n\nmade up"
    sqlite_store.describe("s", "line\n" * 5000)
    text = client.get_experiment_by_name("s").tags["mlflow.note.content"]
    assert len(text) <= 5000 and text.endswith("line\n\n(cut)")


def test_other_peoples_experiments_are_no_studies(sqlite_store, client, make_trial):
    client.create_experiment("theirs")
    sqlite_store.open_run(make_trial("ours"))
    assert sqlite_store.studies() == ("ours",)


def test_a_study_deleted_in_mlflow_is_reported(sqlite_store, client, make_trial):
    sqlite_store.open_run(make_trial("s")).flush()
    experiment = client.get_experiment_by_name("s").experiment_id
    client.delete_experiment(experiment)
    assert sqlite_store.states("s") == () and sqlite_store.studies() == ()
    with pytest.raises(StoreError, match=f"s was deleted in MLflow.*experiments restore -x {experiment}"):
        sqlite_store.open_run(make_trial("s"))


def test_a_record_that_cannot_be_read_is_named(sqlite_store, client, make_trial):
    writer = sqlite_store.open_run(make_trial("s"))
    client.set_tag(writer.run_id, "ablab.spec", '{"name": "a", "added_later": 1}')
    with pytest.raises(StoreError, match=rf"run {writer.run_id} of study s cannot be read"):
        sqlite_store.records("s")


def test_a_file_that_is_no_database_is_reported(paths: Paths, make_trial):
    paths.root.mkdir()
    paths.mlflow_db.write_text("not a database, and long enough to be looked at as one " * 50)
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    with pytest.raises(StoreError, match=r"mlflow\.db: cannot be read \(file is not a database\)"):
        store.states("s")
    with pytest.raises(StoreError, match=r"mlflow\.db: cannot open the store: .*not a database"):
        store.open_run(make_trial("s"))


def test_a_database_of_an_older_mlflow_is_reported_with_the_remedy(sqlite_store, paths: Paths, make_trial):
    with sqlite3.connect(paths.mlflow_db) as database:
        database.execute("UPDATE alembic_version SET version_num = 'bda7b8c39065'")
    with pytest.raises(StoreError, match=r"run `ablab store migrate`"):
        sqlite_store.open_run(make_trial("s"))


def test_tables_of_another_shape_are_read_by_mlflow_itself(
    sqlite_store, paths: Paths, make_trial, monkeypatch
):
    writer = sqlite_store.open_run(make_trial("s"))
    monkeypatch.setattr(Database, "is_readable", lambda self: False)
    other = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    assert [state.run_id for state in other.states("s")] == [writer.run_id]


def test_reading_by_sql_gives_the_rows_of_mlflows_client(sqlite_store, paths: Paths, make_trial, scores):
    sqlite_store.open_run(make_trial("s")).finish({"test/pearson": 0.1}, scores)
    sqlite_store.open_run(make_trial("s", 1)).fail("broken", "Traceback")
    sqlite_store.open_run(make_trial("s", 2)).metrics(1, {"train/loss": 1.0})
    sqlite_store.open_run(make_trial("t")).kill("x")
    sqlite_store.summarise("s", [CellSummary("c", "c", {}, {"test/pearson": 0.1})])
    database, remote = Database(paths.mlflow_db), Remote(sqlite_store._connection)

    assert database.is_readable()
    assert oldest_first(database.rows("s", full=True)) == oldest_first(remote.rows("s", full=True))
    assert database.studies() == remote.studies()
    key = make_trial("s").key
    assert [row.run_id for row in database.find(key[:7])] == [row.run_id for row in remote.find(key[:7])]


def test_reading_an_empty_root_creates_nothing(paths: Paths):
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    assert store.states("s") == () and store.studies() == ()
    assert not paths.root.exists()


def test_a_database_left_half_made_by_a_killed_process_is_made_anew(paths: Paths, make_trial):
    unfinished = paths.mlflow_db.with_name("mlflow.db.new")
    unfinished.parent.mkdir(parents=True)
    with sqlite3.connect(unfinished) as half_made:
        half_made.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    store.open_run(make_trial("s")).kill("made up")
    assert len(store.studies()) == 1
    assert not unfinished.exists()


def test_four_processes_open_an_empty_root_at_once(root: Path, paths: Paths):
    command = [sys.executable, "-m", "tests.tracking.mlflow.opening", str(paths.root)]
    workers = [subprocess.Popen([*command, str(seed)], cwd=root) for seed in range(4)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0, 0, 0]
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    assert sorted(state.seed for state in store.states("s") if state.status == "finished") == [0, 1, 2, 3]


def _table(n_subjects: int) -> tuple[SubjectScore, ...]:
    return tuple(
        SubjectScore(f"sub-{n:03d}", 7, 40, 0.1 + n / 977, 0.1 + n / 983, n / 99991, 0.03 + n / 99989)
        for n in range(n_subjects)
    )


def test_eighty_five_subjects_survive_exactly(sqlite_store, make_trial):
    subjects = tuple(f"sub-{n:03d}" for n in range(85))
    experiment = Experiment(name="original", dataset=SplitFolder(subjects=subjects))
    trial = make_trial("s", experiment=experiment)
    sqlite_store.open_run(trial).finish({"test/pearson": 0.1}, _table(85))
    (record,) = sqlite_store.records("s")
    assert record.subjects == _table(85)
    assert record.experiment == experiment


def _multiply(file: Path, run_id: str, times: int) -> None:
    """Copies of a run under other ids and keys, row by row: writing them properly would take minutes."""
    with sqlite3.connect(file) as database:
        for table in ("runs", "tags", "params", "latest_metrics", "metrics"):
            columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
            taken = ", ".join("printf('%032d', n)" if name == "run_uuid" else name for name in columns)
            database.execute(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
                f" INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table}, numbers"
                " WHERE run_uuid = ?",
                (times, run_id),
            )
        database.execute("UPDATE tags SET value = run_uuid WHERE key = 'key' AND run_uuid <> ?", (run_id,))


def test_many_runs_are_read_quickly(sqlite_store, paths: Paths, make_trial):
    table = _table(85)
    writer = sqlite_store.open_run(make_trial("s"))
    for step in range(21):
        writer.metrics(step, {f"metric/{n}": float(step + n) for n in range(10)})
    writer.finish({f"final/{n}": float(n) for n in range(40)}, table)

    _multiply(paths.mlflow_db, writer.run_id, 59)
    began = time.perf_counter()
    records = sqlite_store.records("s")
    assert time.perf_counter() - began < 2
    assert len(records) == 60 and all(record.subjects == table for record in records)

    began = time.perf_counter()
    assert len(sqlite_store.states("s")) == 60
    assert time.perf_counter() - began < 1


def test_reading_imports_neither_mlflow_nor_torch(sqlite_store, paths: Paths, make_trial, scores):
    sqlite_store.open_run(make_trial("s")).finish({"test/pearson": 0.1}, scores)
    program = (
        "import sys\n"
        "from ablab.paths import Paths\n"
        "from ablab.tracking import memory, provenance, serving, recording, tensorboard\n"
        "from ablab.tracking.open import open_store\n"
        "store = open_store(Paths.from_environment())\n"
        "assert len(store.records(store.studies()[0])) == 1\n"
        "assert store.find(store.states('s')[0].key[:6])\n"
        "assert store.artifact(store.states('s')[0].run_id, 'spec.yaml').exists()\n"
        "heavy = {'mlflow', 'torch', 'sqlalchemy', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ}, timeout=60)


def test_a_baseline_is_a_run_like_any_other(sqlite_store, client, scores):
    run = BaselineRun(
        "b" * 32, "ridge · pooled", {"scope": "pooled"}, {"lambda": "1"}, {"test/pearson": 0.1}, scores
    )
    run_id = sqlite_store.keep_baseline(run)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "ridge · pooled"
    tags = {"role": "baseline", "scope": "pooled", "key": "b" * 32}
    assert tags.items() <= found.data.tags.items()
    assert found.data.params == {"lambda": "1"} and found.data.metrics["test/pearson"] == 0.1
    table = sqlite_store.artifact(run_id, "per_subject.csv").read_text().splitlines()
    assert len(table) == 1 + len(scores)
    experiment = client.get_experiment(found.info.experiment_id)
    assert experiment.name == "baselines" and "ablab.study" not in experiment.tags


def test_a_baseline_run_that_was_not_finished_is_written_on(sqlite_store, client, scores, monkeypatch):
    run = BaselineRun("b" * 32, "ridge", {}, {"lambda": "1"}, {"test/pearson": 0.1}, scores)

    def die(writer: MlflowWriter, *_: object) -> None:
        writer.abandon()
        raise StoreError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowWriter, "finish", die)
        with pytest.raises(StoreError):
            sqlite_store.keep_baseline(run)
    kept = sqlite_store.keep_baseline(run)
    experiment = client.get_experiment_by_name("baselines")
    (only,) = client.search_runs([experiment.experiment_id])
    assert (only.info.run_id, only.info.status) == (kept, "FINISHED")


def test_a_journal_that_cannot_be_marked_or_read_stays_and_is_named(
    sqlite_store: MlflowStore, client, make_trial, monkeypatch
):
    writer = sqlite_store.open_run(make_trial("s"))
    writer._courier.stop()
    writer._courier._thread.join()
    writer.tag({"first": "1"})
    writer.abandon()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "mark", full)
        (left,) = sqlite_store.deliver().left
    assert "No space left on device" in left.reason
    rows = left.folder / "rows.jsonl"
    whole = rows.read_bytes()
    rows.write_bytes(whole + b"\0\0\0\n")
    (left,) = sqlite_store.deliver().left
    assert left.reason.startswith("a row of it does not read (")
    assert left.reason.endswith(f"delete {left.folder} to go on without what it holds")
    rows.write_bytes(whole)
    assert sqlite_store.deliver().delivered == (writer.run_id,)
    assert client.get_run(writer.run_id).data.tags["first"] == "1"
