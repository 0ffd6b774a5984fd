"""A study compared as its grid was last declared; runs are finished by hand, nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from ablab.designs.expand import expand
from ablab.errors import InputError, MixedRecordsError, NotFoundError
from ablab.orchestration.declared import declare, studies_folder
from ablab.orchestration.study_comparison import _floor, compare_study, study_findings
from ablab.paths import Paths
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.record import SubjectScore
from ablab.tracking.memory import MemoryStore


def _finish(store: MemoryStore, loaded: LoadedGrid) -> None:
    for trial in expand(loaded.grid, loaded.bases, "d" * 32):
        scores = [SubjectScore(name, 1, 4, 0.1, 0.1, 0.0, 0.04) for name in ("a", "b")]
        store.open_run(trial).finish({"test/pearson": 0.1, "gradient/ratio": 0.2}, scores)


@pytest.fixture
def edited(tmp_path: Path, paths: Paths) -> tuple[MemoryStore, LoadedGrid, LoadedGrid]:
    """A study run with seeds 0 and 1, then with its base edited and seed 0 alone."""
    store = MemoryStore()
    before, after = (
        tiny.loaded(tmp_path, epochs=epochs, seeds=seeds) for epochs, seeds in ((1, (0, 1)), (2, (0,)))
    )
    _finish(store, before)
    _finish(store, after)
    return store, before, after


def test_runs_of_an_earlier_version_of_the_spec_are_left_out(
    edited: tuple[MemoryStore, LoadedGrid, LoadedGrid], paths: Paths
) -> None:
    store, before, after = edited
    for declared, seeds in ((after, 1), (before, 2)):
        declare(declared, paths)
        found = compare_study("tinygrid", paths=paths, store=store)
        assert [row.n_seeds for row in found.rows] == [seeds, seeds]
        old = [entry for entry in found.excluded if entry.reason == "not of the grid as last declared"]
        others = expand((before if declared is after else after).grid, declared.bases, "d" * 32)
        assert {(entry.cell, entry.seed) for entry in old} == {(each.cell.id, each.seed) for each in others}


def test_where_nothing_is_declared_two_versions_are_refused(
    edited: tuple[MemoryStore, LoadedGrid, LoadedGrid], paths: Paths
) -> None:
    with pytest.raises(MixedRecordsError, match=r"runs differ in training\.epochs"):
        compare_study("tinygrid", paths=paths, store=edited[0])


def test_a_declaration_without_finished_runs_says_that_others_exist(
    edited: tuple[MemoryStore, LoadedGrid, LoadedGrid], tmp_path: Path, paths: Paths
) -> None:
    declare(tiny.loaded(tmp_path, epochs=3), paths)
    with pytest.raises(NotFoundError, match=r"as last declared, and 6 runs of an earlier version"):
        compare_study("tinygrid", paths=paths, store=edited[0])


def test_a_damaged_declaration_is_named(
    edited: tuple[MemoryStore, LoadedGrid, LoadedGrid], paths: Paths
) -> None:
    file = studies_folder(paths) / "tinygrid.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"grid": {"kind": "grid"}}')
    with pytest.raises(InputError, match=r"tinygrid\.json: does not read as a declared grid"):
        compare_study("tinygrid", paths=paths, store=edited[0])


CLAIMS = """
kind: claims
name: heads
source: nobody
arms:
  mlp: {improvements.mlp_head: true}
  linear: {improvements.mlp_head: false}
numbers: {a: 2.0}
claims:
  sum:
    source: s
    statement: twice two
    quantity: {kind: arithmetic, expression: a + a}
    claimed: {value: 4.0}
    data: none
  same:
    source: s
    statement: the head makes no difference
    quantity: {kind: difference, metric: gradient/ratio, treatment: mlp, reference: linear}
    claimed: {value: 0.0}
    data: any
"""


def test_declared_claims_are_checked_as_they_were_declared(tmp_path: Path, paths: Paths) -> None:
    file = tmp_path / "heads.yaml"
    file.write_text(CLAIMS)
    grid = tiny.write(tmp_path, seeds=(0, 1, 2))
    grid.write_text(grid.read_text() + "analysis: {claims: heads.yaml}\n")
    loaded, store = load_grid(grid), MemoryStore()
    _finish(store, loaded)
    declare(loaded, paths)
    file.unlink()
    for found in (
        compare_study("tinygrid", paths=paths, store=store).claims,
        study_findings("tinygrid", paths=paths, store=store, n_draws=10).comparison.claims,
    ):
        assert found is not None and found.ledger == "heads"
        assert {each.name: each.verdict for each in found.claims} == {
            "sum": "CONFIRMED",
            "same": "CONFIRMED",
        }


def test_placebo_arms_are_held_and_paired_with_the_seeds_of_the_grid(tmp_path: Path, paths: Paths) -> None:
    grid = tiny.write(tmp_path, seeds=(0, 1, 2))
    grid.write_text(grid.read_text() + "analysis: {placebos: [no_eeg, a_a]}\n")
    loaded, store = load_grid(grid), MemoryStore()
    _finish(store, loaded)
    declare(loaded, paths)
    found = compare_study("tinygrid", paths=paths, store=store)
    assert found.excluded == ()
    assert {arm.kind: arm.verdict for arm in found.placebos} == {
        "a_a": "no difference",
        "no_eeg": "no difference",
    }
    assert [arm.effect.n_seeds for arm in found.placebos] == [3, 3]


def test_there_is_no_floor_where_cells_train_on_different_shares_of_the_data(
    tmp_path: Path, paths: Paths
) -> None:
    loaded, store = tiny.loaded(tmp_path), MemoryStore()
    _finish(store, loaded)
    records = list(store.records(loaded.study))
    part = records[0].experiment.dataset.model_copy(update={"train_fraction": 0.25})
    records[0] = replace(records[0], experiment=records[0].experiment.model_copy(update={"dataset": part}))
    value, reason = _floor(records, paths, compute=False)
    assert value is None and reason is not None and "cells differ in dataset.train_fraction" in reason
