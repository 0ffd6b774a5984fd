"""Loading grids: the base, factors and levels at their lines, overrides and the study's name."""

# The tables below hold one fault with its whole text per line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablab.errors import SpecError
from ablab.spec.load import load_grid

Write = Callable[[str, str], Path]

FACTORS = "factors:\n  improvements.mlp_head: [false, true]\n"


@pytest.fixture
def grid(write: Write) -> Callable[[str], Path]:
    """Write a grid over a small base; the text begins in line 4."""
    write("experiments/base.yaml", "name: base\ndataset: {kind: simulated, minutes: 3}\n")
    return lambda text: write(
        "ablations/g.yaml", f"kind: grid\nname: g\nbase: ../experiments/base.yaml\n{text}"
    )


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_grid(path, overrides)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        ("improvements.residul: [none, gated]", "improvements.residul: unknown key of the experiment (did you mean 'improvements.residual'?)"),
        ("residual: [none, gated]", "residual: unknown key of the experiment (did you mean 'improvements.residual'?)"),
        ("improvement.residual: [none, gated]", "improvement.residual: unknown key of the experiment (did you mean 'improvements.residual'?)"),
        ("zzz: [1, 2]", "zzz: unknown key of the experiment"),
        ("training: [1, 2]", "training: is a block of keys; name one of them, such as 'training.epochs'"),
        ("name: [a, b]", "name: cannot be a factor: it changes nothing in what is trained"),
        ("dataset.path: [a, b]", "dataset.path: cannot be a factor: cells are compared on the same data"),
        ("dataset.seed: [0, 1]", "dataset.seed: cannot be a factor: cells are compared on the same data"),
        ("evaluation.segment_seconds: [5, 10]", "evaluation.segment_seconds: cannot be a factor: cells are compared by the same score"),
        ("improvements.residual: [none, gatd]", "improvements.residual: must be 'none', 'global' or 'gated', not the string 'gatd' (did you mean 'gated'?)"),
        ("improvements.mlp_head: [false, 'true']", "improvements.mlp_head: must be a boolean (true or false), not the string 'true'; write it without the quotes"),
        ("improvements.gradient_scale: [1.0, true]", "improvements.gradient_scale: must be a number, not the boolean true"),
        ("improvements.gradient_scale: [1, 2, 2.0]", "improvements.gradient_scale: names the level 2.0 twice"),
        ("improvements.gradient_scale: [1, 1]", "improvements.gradient_scale: names a level twice"),
        ("improvements.gradient_scale: [1]", "improvements.gradient_scale: needs a list of at least two levels"),
        ("improvements.gradient_scale: 2", "improvements.gradient_scale: must be a list, not 2"),
        ("training.betas: [[0.9, 0.9], [0.9, 1.9]]", "training.betas: must be less than 1, not 1.9"),
        ("training.loss: [{kind: mse}, {kind: pearson}]", "training.loss: is a block of keys; name one of them, such as 'training.loss.kind'"),
        ("training.epochs: [1, {a: 2}]", "training.epochs: a level must be a value, not a mapping"),
        ("training.loss.beta: [0.1, 0.2]", "training.loss.beta: is a key of training.loss.kind 'huber_pearson', but training.loss.kind is 'mse_pearson'"),
        ("model.d_model: [256, 258]", "model.d_model: 258 is not divisible by n_heads 4"),
    ],
)  # fmt: skip
def test_faults_of_a_factor_are_in_its_line(grid: Callable[[str], Path], factor: str, expected: str) -> None:
    found = problems(grid(f"factors:\n  model.drop_prob: [0.1, 0.2]\n  {factor}\n"))
    assert list(dict.fromkeys(found)) == [f"ablations/g.yaml:6: factors.{expected}"]


def test_a_level_in_a_line_of_its_own_is_found_there(grid: Callable[[str], Path]) -> None:
    assert problems(grid("factors:\n  improvements.residual:\n    - none\n    - gates\n")) == [
        "ablations/g.yaml:7: factors.improvements.residual: must be 'none', 'global' or 'gated', "
        "not the string 'gates' (did you mean 'gated'?)"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("desing: named\n", "ablations/g.yaml:6: desing: unknown key (did you mean 'design'?)"),
        ("design: full\n", "ablations/g.yaml:6: design: must be 'full_factorial', 'leave_one_out', 'add_one_in', 'one_at_a_time' or 'named', not the string 'full'"),
        ("design: named\n", "ablations/g.yaml:1: cells: design 'named' needs at least one cell (name: experiment file)"),
        ("seeds: 3\n", "ablations/g.yaml:6: seeds: must be a list, not 3"),
        ("seeds: []\n", "ablations/g.yaml:6: seeds: must not be empty"),
        ("seeds: [0, 0]\n", "ablations/g.yaml:6: seeds: names a seed twice"),
        ("seeds: [0, -1]\n", "ablations/g.yaml:6: seeds[1]: must be at least 0, not -1"),
        ("seeds: [0, 1.5]\n", "ablations/g.yaml:6: seeds[1]: must be a whole number, not 1.5"),
        ("cells: {a: ../x.txt}\n", "ablations/g.yaml:6: cells: only for design 'named', not 'full_factorial'"),
        ("cells: {a: ../x.txt}\n", "ablations/g.yaml:6: cells.a: no such file: x.txt"),
        ("analysis: {sesoi: 0}\n", "ablations/g.yaml:6: analysis.sesoi: must be greater than 0, not 0"),
        ("analysis: {alpha: 0.5}\n", "ablations/g.yaml:6: analysis.alpha: must be less than 0.5, not 0.5"),
        ("analysis: {contrast: {treatment: x}}\n", "ablations/g.yaml:6: analysis.contrast.reference: missing; it has no default"),
        ("analysis: {controls: [x]}\n", "ablations/g.yaml:6: analysis.controls[0]: must be 'frozen_stack', 'no_stack' or 'stack_lr_x2', not the string 'x'"),
        ("analysis: {controls: [no_stack, no_stack]}\n", "ablations/g.yaml:6: analysis.controls: names a control twice"),
        ("analysis:\n  claims: x.yaml\n", "ablations/g.yaml:7: analysis.claims: no such file: ablations/x.yaml (did you mean 'ablations/g.yaml'?)"),
        ("analysis:\n  claims: g.yaml\n", "ablations/g.yaml:1: kind: is no claims file; one begins with 'kind: claims'"),
        ("analysis: {placebos: [a_a, a_a]}\n", "ablations/g.yaml:6: analysis.placebos: names one twice"),
        ("seeds: [1000000]\nanalysis: {placebos: [a_a]}\n", "ablations/g.yaml:6: seeds: must be below 1000000, where those of the placebo a_a begin"),
    ],
)  # fmt: skip
def test_faults_of_a_grid(grid: Callable[[str], Path], text: str, expected: str) -> None:
    assert expected in problems(grid(f"{FACTORS}{text}"))


def test_faults_of_grid_base_and_factors_come_in_one_pass(write: Write) -> None:
    write("base.yaml", "name: base\ntraining:\n  epochs: 0\n")
    path = write(
        "g.yaml", "kind: grid\nname: ../g\nbase: base.yaml\nfactors:\n  training.epoch: [1, 2]\nseeds: [x]\n"
    )
    assert problems(path, "model.d_modle=3") == [
        "--set: model.d_modle: unknown key (did you mean 'd_model'?)",
        "g.yaml:2: name: must be a plain name (letters, digits, '_', '.', '-', at most 128, not starting with '.' or '-')",
        "g.yaml:5: factors.training.epoch: unknown key of the experiment (did you mean 'training.epochs'?)",
        "g.yaml:6: seeds[0]: must be a whole number, not the string 'x'",
        "base.yaml:3: training.epochs: must be at least 1, not 0",
    ]


def test_a_missing_base_is_told_at_its_line(write: Write) -> None:
    write("experiments/base.yaml", "name: base\n")
    path = write("ablations/g.yaml", f"kind: grid\nname: g\nbase: ../experiments/bas.yaml\n{FACTORS}")
    assert problems(path) == [
        "ablations/g.yaml:3: base: no such file: experiments/bas.yaml (did you mean 'experiments/base.yaml'?)"
    ]


def test_files_of_another_sort(write: Write) -> None:
    experiment = write("e.yaml", "name: e\nmodel: {d_model: 8}\n")
    assert problems(experiment) == [
        "e.yaml: is an experiment, not a grid; give a file such as those in ablations/ ('kind: grid')"
    ]
    assert problems(write("s.yaml", "name: s\nkind: search\n")) == [
        "s.yaml:2: kind: is a search, not a grid; run it with: ablab search run s.yaml"
    ]
    assert problems(write("s.yaml", "kind: gird\n")) == [
        "s.yaml:1: kind: 'gird' is not a kind of study that this version knows: 'grid', 'search', 'regression' "
        "(did you mean 'grid'?)"
    ]
    assert problems(write("n.yaml", "name: n\n")) == ["n.yaml:1: kind: missing; write 'kind: grid'"]
    assert problems(write("l.yaml", "[1]\n")) == ["l.yaml:1: must be a mapping of keys to values"]
    assert problems(Path("missing.yml")) == ["missing.yml: no such file"]


def test_levels_are_held_as_their_fields_hold_them(grid: Callable[[str], Path]) -> None:
    loaded = load_grid(
        grid("factors:\n  improvements.gradient_scale: [1, 2]\n  training.betas: [[0, 0.5], [0.5, 0]]\n")
    )
    assert repr(loaded.grid.factors["improvements.gradient_scale"]) == "(1.0, 2.0)"
    assert loaded.grid.factors["training.betas"] == ((0.0, 0.5), (0.5, 0.0))
    assert loaded.study == "g"
    assert list(loaded.bases) == [""]


def test_levels_that_need_each_other_are_left_to_the_cells(grid: Callable[[str], Path]) -> None:
    text = "factors:\n  training.loss.kind: [huber_pearson, mse_pearson]\n  training.loss.beta: [0.1, 0.2]\n"
    assert load_grid(grid(text)).grid.factors["training.loss.beta"] == (0.1, 0.2)
    assert load_grid(grid("factors:\n  model.d_model: [6, 12]\n  model.n_heads: [3, 6]\n"))


def test_overrides_address_grid_and_base_and_name_another_study(grid: Callable[[str], Path]) -> None:
    path = grid(FACTORS)
    loaded = load_grid(path, ["grid.seeds=[4, 5]", "training.learning_rate=1e-3", "grid.analysis.sesoi=0.02"])
    assert loaded.grid.seeds == (4, 5)
    assert loaded.grid.analysis.sesoi == 0.02
    assert loaded.bases[""].training.learning_rate == 0.001
    name, _, tail = loaded.study.partition("@")
    assert name == "g"
    assert len(tail) == 8
    again = load_grid(path, ["grid.analysis.sesoi=2e-2", "training.learning_rate=0.001", "grid.seeds=[4,5]"])
    assert again.study == loaded.study
    assert load_grid(path, ["training.learning_rate=2e-3"]).study != loaded.study
    assert (
        load_grid(path, ["improvements.gradient_scale=2"]).study
        == load_grid(path, ["improvements.gradient_scale=2.0"]).study
    )


def test_the_name_of_an_overridden_study_is_stable(grid: Callable[[str], Path]) -> None:
    assert load_grid(grid(FACTORS), ["training.epochs=2"]).study == "g@3dbfe31a"


def test_factors_can_be_overridden_added_and_located(grid: Callable[[str], Path]) -> None:
    path = grid(FACTORS)
    loaded = load_grid(
        path, ["grid.factors.improvements.residual=[none, gated]", "grid.design=leave_one_out"]
    )
    assert dict(loaded.grid.factors) == {
        "improvements.mlp_head": (False, True),
        "improvements.residual": ("none", "gated"),
    }
    assert loaded.grid.design == "leave_one_out"
    assert problems(path, "grid.factors.improvements.residual=[none, gatd]", "grid.sedes=[1]") == [
        "--set: grid.sedes: unknown key (did you mean 'seeds'?)",
        "--set: grid.factors.improvements.residual: must be 'none', 'global' or 'gated', not the string 'gatd' "
        "(did you mean 'gated'?)",
    ]


def test_an_override_of_a_factor_is_refused(grid: Callable[[str], Path]) -> None:
    reason = (
        "--set: improvements.mlp_head: is a factor of this grid, whose levels would overwrite the value; "
        "use --set grid.factors.improvements.mlp_head=[...]"
    )
    path = grid(FACTORS)
    assert problems(path, "improvements.mlp_head=true") == [reason]
    assert problems(path, "improvements={mlp_head: true}") == [reason]


def test_a_base_given_on_the_command_line_is_relative_to_the_working_directory(
    grid: Callable[[str], Path], write: Write
) -> None:
    path = grid(FACTORS)
    write("other.yaml", "name: other\n")
    assert load_grid(path, ["grid.base=other.yaml"]).bases[""].name == "other"
    assert problems(path, "grid.base=othr.yaml") == [
        "--set: base: no such file: othr.yaml (did you mean 'other.yaml'?)"
    ]


def test_a_kind_changed_by_an_override_gives_a_notice(grid: Callable[[str], Path]) -> None:
    loaded = load_grid(grid(FACTORS), ["dataset.kind=split_folder", "dataset.path=p"])
    assert loaded.notices == (
        "dataset.kind is now 'split_folder': dropped dataset.minutes from experiments/base.yaml",
    )


@pytest.fixture
def named(write: Write) -> Path:
    write("a.yaml", "name: a\n")
    write("b.yaml", "name: b\nextends: a.yaml\nimprovements: {mlp_head: true}\n")
    return write("g.yaml", "kind: grid\nname: g\ndesign: named\ncells:\n  one: a.yaml\n  two.x: b.yaml\n")


def test_overrides_of_a_named_design_reach_every_cell(named: Path) -> None:
    loaded = load_grid(named, ["training.epochs=3"])
    assert {name: base.training.epochs for name, base in loaded.bases.items()} == {"one": 3, "two.x": 3}
    assert loaded.study.startswith("g@")
    assert problems(named, "training.epochs=0") == ["--set: training.epochs: must be at least 1, not 0"]


def test_cells_of_a_named_design_share_their_data(named: Path, write: Write) -> None:
    write("b.yaml", "name: b\nextends: a.yaml\ndataset: {path: elsewhere}\n")
    assert problems(named) == [
        "g.yaml:6: cells.two.x: its data differ from those of 'one' (dataset.path); cells are compared on the same data"
    ]
    assert load_grid(named, ["dataset.path=here"]).bases["two.x"].name == "b"


def test_a_cell_name_that_would_leave_its_folder(named: Path, write: Write) -> None:
    path = write("g.yaml", "kind: grid\nname: g\ndesign: named\ncells:\n  one: a.yaml\n  ../two: b.yaml\n")
    assert problems(path) == [
        "g.yaml:6: cells.../two: must be a plain name (letters, digits, '_', '.', '-', at most 128, "
        "not starting with '.' or '-')"
    ]


def test_cells_of_a_named_design_are_scored_alike(named: Path, write: Write) -> None:
    write("b.yaml", "name: b\nextends: a.yaml\nevaluation: {segment_seconds: 5}\n")
    assert problems(named) == [
        "g.yaml:6: cells.two.x: its segments differ from those of 'one' (evaluation.segment_seconds); cells are compared by the same score"
    ]
