"""A study's recommendation on fresh seeds; runs are finished by hand, nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tiny

from ablab.designs.expand import expand
from ablab.errors import InputError, NotFoundError
from ablab.orchestration.confirmation import against_best, confirmation, fresh_seeds
from ablab.orchestration.declared import declare
from ablab.orchestration.study_comparison import compare_study
from ablab.paths import Paths
from ablab.spec.identity import trial_key
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.record import SubjectScore
from ablab.tracking.memory import MemoryStore

SEEDS = (0, 1, 2, 3, 4)
GRID = """
kind: grid
name: tinygrid
base: tiny.yaml
factors: {improvements.mlp_head: [false, true], improvements.residual: [none, gated]}
seeds: [0, 1, 2, 3, 4]
analysis: {sesoi: 0.02, alpha: 0.1, metric: validation/pearson}
"""


def finish(store: MemoryStore, loaded: LoadedGrid, means: Mapping[str, float]) -> None:
    rng = np.random.default_rng(0)
    for trial in expand(loaded.grid, loaded.bases, "d" * 32):
        r = means[trial.cell.id] + rng.normal(0, 0.002, 4)
        scores = [SubjectScore(f"s{i}", 1, 4, float(v), float(v), 0.0, 0.04) for i, v in enumerate(r)]
        store.open_run(trial).finish({"test/pearson": float(r.mean())}, scores)


@pytest.fixture
def study(tmp_path: Path, paths: Paths) -> LoadedGrid:
    tiny.write(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID)
    loaded = load_grid(tmp_path / "grid.yaml")
    declare(loaded, paths)
    return loaded


def means(**cells: float) -> dict[str, float]:
    """r by which improvements are on."""
    of = {"none": 0.1, "mlp": 0.1, "gated": 0.1, "both": 0.1, **cells}
    return {
        "mlp_head=false,residual=none": of["none"],
        "mlp_head=true,residual=none": of["mlp"],
        "mlp_head=false,residual=gated": of["gated"],
        "mlp_head=true,residual=gated": of["both"],
    }


def test_recommended_reference_and_best_on_seeds_that_had_no_part(study: LoadedGrid, paths: Paths) -> None:
    store = MemoryStore()
    finish(store, study, means(gated=0.2, both=0.21, mlp=0.11))
    loaded, choice = confirmation("tinygrid", 5, paths=paths, store=store)
    assert loaded.study == "tinygrid-confirm"
    assert loaded.grid.seeds == (5, 6, 7, 8, 9)
    assert choice.origin == {
        "reference": "linear · none",
        "recommended": "linear · gated",
        "best": "mlp · gated",
    }
    analysis = loaded.grid.analysis
    assert (analysis.contrast.treatment, analysis.contrast.reference) == ("recommended", "reference")
    assert (analysis.metric, analysis.sesoi, analysis.alpha) == ("validation/pearson", 0.02, 0.1)
    trained = {trial.cell.id: trial for trial in expand(study.grid, study.bases, "d")}
    again = {trial.cell.id: trial for trial in expand(loaded.grid, loaded.bases, "d")}
    of_gated = trained["mlp_head=false,residual=gated"].cell.experiment
    assert trial_key(again["recommended"].cell.experiment, "d", 0) == trial_key(of_gated, "d", 0)


def test_the_new_study_has_a_verdict_of_its_own_and_one_against_the_best(
    study: LoadedGrid, paths: Paths
) -> None:
    store = MemoryStore()
    finish(store, study, means(gated=0.2, both=0.21))
    loaded, choice = confirmation("tinygrid", 5, paths=paths, store=store)
    declare(loaded, paths)
    finish(store, loaded, {"reference": 0.1, "recommended": 0.2, "best": 0.205})
    found = compare_study("tinygrid-confirm", paths=paths, store=store)
    assert found.primary.cell == "recommended"
    assert found.primary.verdict.kind == "improved"
    assert not found.primary.verdict.exploratory
    effect, words = against_best(loaded, choice, paths=paths, store=store)
    assert effect.test.mean == pytest.approx(-0.005, abs=0.003)
    assert words.startswith("NOT WORSE: -.00")
    assert words.endswith("margin .020")


def test_doing_it_twice_gives_the_same_grid(study: LoadedGrid, paths: Paths) -> None:
    store = MemoryStore()
    finish(store, study, means(gated=0.2, both=0.21))
    first, _ = confirmation("tinygrid", 5, paths=paths, store=store)
    text = first.source.read_text()
    second, _ = confirmation("tinygrid", 5, paths=paths, store=store)
    assert (second.grid, second.bases, second.source.read_text()) == (first.grid, first.bases, text)


def test_a_recommended_cell_that_is_the_best_is_trained_once(study: LoadedGrid, paths: Paths) -> None:
    store = MemoryStore()
    finish(store, study, means(both=0.3))
    loaded, choice = confirmation("tinygrid", 3, paths=paths, store=store)
    assert list(choice.cells) == ["reference", "recommended"]
    assert against_best(loaded, choice, paths=paths, store=store) is None


def test_where_the_reference_is_recommended_the_best_is_declared_against_it(
    study: LoadedGrid, paths: Paths
) -> None:
    store = MemoryStore()
    finish(store, study, means(both=0.105))
    loaded, choice = confirmation("tinygrid", 3, paths=paths, store=store)
    assert (list(choice.cells), choice.treatment) == (["reference", "best"], "best")
    assert loaded.grid.analysis.contrast.treatment == "best"


def test_a_reference_that_is_the_best_leaves_nothing_to_confirm(study: LoadedGrid, paths: Paths) -> None:
    store = MemoryStore()
    finish(store, study, means(none=0.3))
    with pytest.raises(InputError, match=r"its best cell is the reference \(linear · none\) itself"):
        confirmation("tinygrid", 3, paths=paths, store=store)
    assert not paths.confirmation("tinygrid").exists()


def test_an_unknown_study_is_named(paths: Paths) -> None:
    with pytest.raises(NotFoundError):
        confirmation("nothing", 3, paths=paths, store=MemoryStore())


def test_fresh_seeds_are_the_smallest_unused() -> None:
    assert fresh_seeds({0, 1, 4}, 4) == (2, 3, 5, 6)
    assert fresh_seeds({2**32 - 1}, 2) == (0, 1)
