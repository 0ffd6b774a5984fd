from __future__ import annotations

from pathlib import Path

import pytest

from ablab.errors import SpecError
from ablab.spec.load_search import LoadedSearch, load_search
from ablab.spec.search import Hyperband, Random, Tpe
from ablab.spec.space import Choices, Range

SEARCH = """\
kind: search
name: scales
base: base.yaml
space:
  improvements.gradient_scale: {low: 1, high: 4.0}
  training.learning_rate: {low: 1e-4, high: 1e-2, log: true}
  training.batch_size: {low: 8, high: 64, step: 8}
  improvements.residual: [none, gated]
  training.betas: [[0.9, 0.98], [0.9, 0.999]]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "base.yaml").write_text("name: base\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(folder: Path, more: str = "", *overrides: str, text: str = SEARCH) -> LoadedSearch:
    (folder / "s.yaml").write_text(text + more)
    return load_search(Path("s.yaml"), overrides)


def problems(folder: Path, more: str = "", *overrides: str, text: str = SEARCH) -> list[str]:
    with pytest.raises(SpecError) as caught:
        loaded(folder, more, *overrides, text=text)
    return str(caught.value).splitlines()


def space(text: str) -> str:
    return SEARCH.partition("space:")[0] + f"space:\n  {text}\n"


def test_the_space_stands_as_the_keys_hold_it(folder: Path) -> None:
    found = loaded(folder)
    assert found.space == {
        "improvements.gradient_scale": Range(1.0, 4.0, whole=False),
        "training.learning_rate": Range(1e-4, 1e-2, whole=False, log=True),
        "training.batch_size": Range(8, 64, whole=True, step=8),
        "improvements.residual": Choices(("none", "gated")),
        "training.betas": Choices(((0.9, 0.98), (0.9, 0.999))),
    }
    assert isinstance(found.space["improvements.gradient_scale"].low, float)  # as the spec's field does
    assert found.study == "scales"
    assert found.search.sampler == Tpe()


def test_a_sampler_and_a_pruner_can_be_named_by_their_kind_alone(folder: Path) -> None:
    search = loaded(folder, "sampler: random\npruner: hyperband\n").search
    assert (search.sampler, search.pruner) == (Random(), Hyperband())


def test_seeds_of_the_confirmation_are_none_of_the_search(folder: Path) -> None:
    search = loaded(folder, "seeds_per_trial: 3\nconfirm: {seeds: 5}\n").search
    assert (search.seeds, search.fresh_seeds) == ((0, 1, 2), (3, 4, 5, 6, 7))


def test_overrides_address_the_search_and_the_base_and_make_another_study(folder: Path) -> None:
    found = loaded(folder, "", "search.trials=7", "search.sampler=random", "training.epochs=3")
    assert (found.search.trials, found.search.sampler, found.base.training.epochs) == (7, Random(), 3)
    assert found.study.startswith("scales@")
    assert (
        found.study
        == loaded(folder, "", "training.epochs=3", "search.sampler=random", "search.trials=7").study
    )


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("test/pearson", "test/pearson is a test metric, and the test set stays sealed until the winner is"),
        (
            "train/loss",
            "must be validation/pearson or validation/loss or validation/pearson_unseen, not 'train",
        ),
    ],
)
def test_the_objective_looks_at_validation_alone(folder: Path, metric: str, text: str) -> None:
    (problem,) = problems(folder, f"objective: {metric}\n")
    assert problem.startswith(f"s.yaml:10: objective: {text}")


SCALE, BATCH, EPS = "improvements.gradient_scale", "training.batch_size", "training.eps"
HEAD = "improvements.mlp_head"


@pytest.mark.parametrize(
    ("key", "entry", "problem"),
    [
        (SCALE, "{low: -1, high: 4}", ": must be greater than 0, not -1"),
        (SCALE, "{low: 4, high: 1}", ": low 4 is not below high 1"),
        (SCALE, "{lo: 1, high: 4}", ".lo: unknown key (did you mean 'low'?)"),
        (SCALE, "{low: 1}", ": needs high"),
        (SCALE, "2", ": must be {low, high} or a list of values, not 2"),
        (SCALE, "[2]", ": needs at least two values"),
        (SCALE, "[2, 2.0]", ": names the level 2.0 twice"),
        (BATCH, "{low: 8.5, high: 16}", ": must be a whole number, not 8.5"),
        (BATCH, "{low: 8, high: 16, step: 0.5}", ": holds whole numbers, so its step must be one"),
        (BATCH, "{low: 8, high: 15, step: 2}", ": high 15 is no whole number of steps of 2 above low 8"),
        (EPS, "{low: 1e-9, high: 1e-8, step: 0}", ".step: must be a number above 0, not 0"),
        (EPS, "{low: 1e-9, high: 1e-8, step: 1e-9, log: true}", ": takes log or a step, not both"),
        (EPS, "{low: 1e-9, high: 1e-8, log: 1}", ".log: must be a boolean (true or false), not 1"),
        ("training.weight_decay", "{low: 0, high: 1, log: true}", ": log needs a low above 0"),
        (HEAD, "{low: 0, high: 1}", ": must be a boolean (true or false), not 0"),
        (HEAD, "{low: false, high: true}", ": does not hold a number; give a list of values"),
        ("training.epoch", "[1, 2]", ": unknown key of the experiment (did you mean 'training.epochs'?)"),
        ("dataset.subjects", "[[a], [b]]", ": cannot be searched over: cells are compared on the same data"),
        (
            "dataset.residency",
            "[disk, memory]",
            ": cannot be searched over: it changes nothing in what is trained",
        ),
    ],
)
def test_a_fault_of_the_space_is_told_at_its_line(folder: Path, key: str, entry: str, problem: str) -> None:
    (found, *_) = problems(folder, text=space(f"{key}: {entry}"))
    assert found == f"s.yaml:5: space.{key}{problem}"


def test_all_faults_are_told_in_one_pass(folder: Path) -> None:
    text = space("improvements.gradient_scale: {low: 0, high: 4}") + "objective: test/pearson\ntrials: 0\n"
    assert [each.partition(": ")[0] for each in problems(folder, text=text)] == [
        "s.yaml:5",
        "s.yaml:6",
        "s.yaml:7",
    ]


def test_a_grid_needs_an_end_and_trials_for_all_of_it(folder: Path) -> None:
    reason = "sampler 'grid' tries every value: give a step, or a list"
    assert problems(folder, "sampler: grid\n") == [
        f"s.yaml:5: space.improvements.gradient_scale: {reason}",
        f"s.yaml:6: space.training.learning_rate: {reason}",
    ]
    text = space("training.batch_size: {low: 8, high: 64, step: 8}") + "sampler: grid\ntrials: 7\n"
    (problem,) = problems(folder, text=text)
    assert (
        problem
        == "s.yaml:6: sampler.kind: the space has 8 points, and trials is 7; give as many, or fewer values"
    )


def test_wilcoxon_needs_several_seeds(folder: Path) -> None:
    (problem,) = problems(folder, "pruner: wilcoxon\nseeds_per_trial: 1\n")
    assert problem.startswith("s.yaml:10: pruner: wilcoxon looks when a seed has ended;")


def test_a_loss_is_minimised(folder: Path) -> None:
    (problem,) = problems(folder, "objective: validation/loss\n")
    assert problem.endswith("direction: validation/loss is to be minimized, not maximized")
    assert loaded(folder, "objective: validation/loss\ndirection: minimize\n").search.direction == "minimize"


def test_subjects_are_among_those_of_the_base(folder: Path) -> None:
    assert loaded(folder, "subjects: [a, b]\n").searched.dataset.subjects == ("a", "b")
    (folder / "base.yaml").write_text("name: base\ndataset: {subjects: [a, c]}\n")
    (problem,) = problems(folder, "subjects: [a, b]\n")
    assert problem == "s.yaml:10: subjects: not among the subjects of the base: b"
    (folder / "base.yaml").write_text("name: base\ndataset: {kind: simulated}\n")
    (problem,) = problems(folder, "subjects: [a, b]\n")
    assert problem.startswith("s.yaml:10: subjects: simulated listeners have no names to choose by")


def test_an_override_of_a_key_that_is_searched_over_is_refused(folder: Path) -> None:
    (problem,) = problems(folder, "", "training.batch_size=4")
    assert problem.startswith(
        "--set: training.batch_size: is searched over, and the search's values would overwr"
    )


def test_a_grid_is_told_how_it_is_run(folder: Path) -> None:
    (problem,) = problems(folder, text="kind: grid\nname: g\nbase: base.yaml\n")
    assert problem == "s.yaml:1: kind: is a grid, not a search; run it with: ablab grid run s.yaml"


def test_an_experiment_is_no_search(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"base.yaml: is an experiment, not a search"):
        (folder / "base.yaml").write_text("name: base\ntraining: {epochs: 3}\n")
        load_search(Path("base.yaml"))
