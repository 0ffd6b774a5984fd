"""What a report is made of, gathered from a store; runs are finished by hand, nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from tests.comparison.study import FULL, ORIGINAL, full_factorial, run

from ablab.designs.expand import expand
from ablab.errors import StoreError
from ablab.orchestration.declared import analysis_of, declare
from ablab.orchestration.study_comparison import study_findings
from ablab.orchestration.study_report import command, cost, courses, keep, report_study
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.spec.record import SubjectScore
from ablab.tracking.memory import MemoryStore


def test_a_report_holds_what_the_study_holds(tmp_path: Path, paths: Paths) -> None:
    loaded = tiny.loaded(tmp_path, seeds=(0, 1, 2))
    declare(loaded, paths)
    store = MemoryStore()
    for number, trial in enumerate(expand(loaded.grid, loaded.bases, "d" * 32)):
        scores = [SubjectScore(name, 1, 4, 0.1, 0.1 + 0.01 * number, 0.0, 0.04) for name in ("a", "b")]
        writer = store.open_run(trial)
        writer.metrics(1, {"validation/pearson": 0.1 * number})
        writer.tag({"device": "cuda:1" if number else "cpu"})
        writer.finish({"test/pearson": 0.1 + 0.01 * number}, scores)
    found = report_study("tinygrid", paths=paths, store=store, n_draws=200)
    assert found.comparison == found.findings.comparison
    assert found.findings == study_findings("tinygrid", paths=paths, store=store, n_draws=200)
    assert [course.mean for course in found.courses] == [pytest.approx((0.1,)), pytest.approx((0.4,))]
    assert found.cost.runs == found.cost.finished == 6
    assert 0 < found.cost.gpu_seconds < found.cost.seconds
    assert found.provenance.origin["device"] == ("cpu", "cuda:1")
    assert found.provenance.data_fingerprints == ("d" * 32,)
    assert found.absent["claims"].startswith("the grid names no ledger")


def test_courses_are_means_over_seeds_at_steps_that_all_have() -> None:
    records = [record for record in full_factorial() if record.cell in (ORIGINAL, FULL)]
    records[1] = replace(records[1], status="failed")
    values = {0: {10: 0.1, 20: 0.2}, 2: {10: 0.3, 20: 0.3, 30: 0.9}}
    curves = {
        record.run_id: tuple(values[record.seed].items())
        for record in records
        if record.cell == ORIGINAL and record.seed in values
    }
    curves[records[1].run_id] = ((10, 9.0),)
    rows = [row for row in _rows(records) if row.cell == ORIGINAL]
    (course,) = courses(rows, records, curves)
    assert (course.steps, course.n_seeds) == ((10, 20), 2)
    assert course.mean == pytest.approx((0.2, 0.25))
    assert course.sd == pytest.approx(np.std([[0.1, 0.2], [0.3, 0.3]], axis=0, ddof=1))


def test_cost_counts_failed_runs_and_every_gpu() -> None:
    base = run()
    training = base.experiment.training.model_copy(update={"processes": 4})
    on_four = base.experiment.model_copy(update={"training": training})
    records = [
        replace(base, seconds=10.0),
        replace(base, seed=1, seconds=5.0, status="failed", origin={"device": "cuda:0"}),
        replace(base, seed=2, seconds=2.0, experiment=on_four, origin={"device": "cuda"}),
    ]
    found = cost(_rows([base]), records)
    assert (found.runs, found.finished) == (3, 2)
    assert (found.seconds, found.gpu_seconds) == (17.0, 5.0 + 4 * 2.0)
    assert found.by_cell == ((base.label, 3, 17.0),)


def test_the_command_makes_the_same_study(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    overrides = ("training.epochs=2", "dataset.accept_leakage=a trial")
    loaded = load_grid(file, overrides)
    declare(replace(loaded, study="mine"), paths)
    declared = analysis_of("mine", paths)
    text = command("mine", declared)
    assert text == (
        "ablab grid run grid.yaml --set training.epochs=2 --set 'dataset.accept_leakage=a trial' --study mine"
    )
    monkeypatch.chdir("/")
    assert str(tmp_path)[1:] + "/grid.yaml" in command("mine", declared)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert " grid.yaml " in command("mine", declared), "a file outside the working folder goes by its name"
    assert command("lost one", None) == "ablab grid run FILE --study 'lost one'"


def test_overrides_alone_name_the_study_so_the_command_need_not(tmp_path: Path, paths: Paths) -> None:
    loaded = load_grid(tiny.write(tmp_path), ("training.epochs=2",))
    declare(loaded, paths)
    text = command(loaded.study, analysis_of(loaded.study, paths))
    assert text.endswith("grid.yaml --set training.epochs=2")


def test_a_store_that_refuses_costs_a_note_and_no_more(tmp_path: Path) -> None:
    class Away(MemoryStore):
        def attach_to_study(self, *arguments: object) -> str:
            raise StoreError("the server is away")

    file = tmp_path / "report.md"
    file.write_text("# Report\n")
    assert keep(Away(), "s", tmp_path, [file]) == "the server is away"
    assert keep(MemoryStore(), "s", tmp_path, [file]) is None


def _rows(records: list) -> list:
    from ablab.comparison.compare import compare

    return list(compare(records, study="s").rows)
