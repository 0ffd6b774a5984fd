"""Writing new spec files: what is written loads as meant, and nothing is lost."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablab.errors import InputError, SpecError
from ablab.spec.authoring import new_experiment, new_grid, parse_factor
from ablab.spec.experiment import HuberPearson, SplitFolder
from ablab.spec.load import load_experiment, load_grid

Write = Callable[[str, str], Path]


@pytest.fixture
def parent(write: Write) -> Path:
    return write(
        "experiments/p.yaml", "name: p\nnotes: x\ndataset: {kind: simulated, minutes: 3, window_seconds: 4}\n"
    )


def test_a_new_experiment_is_its_parent_with_the_overrides(parent: Path) -> None:
    overrides = [
        "dataset.path=data here",
        "training.loss={kind: huber_pearson}",
        "dataset.kind=split_folder",
        "training.loss.beta=2e-1",
        "improvements.gradient_scale=2",
        "notes='a: b #c'",
    ]
    path = new_experiment("n", parent, overrides, Path("mine/deep"))
    assert path == Path("mine/deep/n.yaml")
    experiment = load_experiment(path).experiment
    assert experiment == load_experiment(parent, overrides).experiment.model_copy(update={"name": "n"})
    assert experiment.dataset == SplitFolder(path="data here", window_seconds=4)
    assert experiment.training.loss == HuberPearson(beta=0.2)
    assert experiment.notes == "a: b #c"
    assert "extends: ../../experiments/p.yaml" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["n.yaml"]


def test_nothing_is_written_over_without_force(parent: Path) -> None:
    path = new_experiment("n", parent, [], Path("experiments"))
    before = path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"experiments/n\.yaml: is there already; .* --force"):
        new_experiment("n", parent, ["training.epochs=3"], Path("experiments"))
    assert path.read_text(encoding="utf-8") == before
    new_experiment("n", parent, ["training.epochs=3"], Path("experiments"), force=True)
    assert load_experiment(path).experiment.training.epochs == 3


def test_an_experiment_cannot_be_made_to_extend_itself(parent: Path) -> None:
    before = parent.read_text(encoding="utf-8")
    with pytest.raises(SpecError, match="circular"):
        new_experiment("p", parent, [], Path("experiments"), force=True)
    assert parent.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["../n", "a/b", ".n", "", "-n"])
def test_a_name_that_would_leave_its_folder(parent: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot name a file"):
        new_experiment(name, parent, [], Path("experiments"))
    with pytest.raises(InputError, match="cannot name a file"):
        new_grid(name, parent, ["improvements.mlp_head=false,true"], 1, Path("ablations"))


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "improvements.gradient_scale=0",
            "--set: improvements.gradient_scale: must be greater than 0, not 0",
        ),
        ("name=x", "--set: name: is given by NAME"),
    ],
)
def test_a_wrong_override_writes_nothing(parent: Path, override: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        new_experiment("n", parent, [override], Path("experiments"))
    assert str(caught.value) == problem
    assert [file.name for file in parent.parent.iterdir()] == ["p.yaml"]


def test_a_folder_that_cannot_be_made(parent: Path, write: Write) -> None:
    write("file", "x")
    with pytest.raises(InputError, match=r"file/n\.yaml: cannot be written: "):
        new_experiment("n", parent, [], Path("file"))


def test_a_new_grid_loads_as_given(parent: Path) -> None:
    factors = ["improvements.residual=none,gated", "training.betas=[0.9,0.98],[0.8,0.9]"]
    overrides = ["grid.analysis.sesoi=0.02", "grid.notes=why"]
    path = new_grid("g", parent, factors, 4, Path("ablations"), design="add_one_in", overrides=overrides)
    loaded = load_grid(path)
    assert dict(loaded.grid.factors) == {
        "improvements.residual": ("none", "gated"),
        "training.betas": ((0.9, 0.98), (0.8, 0.9)),
    }
    assert (loaded.grid.design, loaded.grid.seeds) == ("add_one_in", (0, 1, 2, 3))
    assert (loaded.grid.analysis.sesoi, loaded.grid.notes) == (0.02, "why")
    assert loaded.bases[""].name == "p"


def test_faults_of_a_new_grid_are_named_after_their_options(parent: Path) -> None:
    factors = ["improvements.mlp_hed=false,true", "improvements.mlp_head=0,1"]
    with pytest.raises(SpecError) as caught:
        new_grid("g", parent, factors, 3, Path("ablations"), overrides=["grid.analysis.sesoi=-1"])
    assert [str(problem) for problem in caught.value.problems] == [
        "--factor: improvements.mlp_hed: unknown key of the experiment (did you mean 'improvements.mlp_head'?)",
        "--factor: improvements.mlp_head: must be a boolean (true or false), not 0",
        "--set: grid.analysis.sesoi: must be greater than 0, not -1",
    ]
    with pytest.raises(SpecError) as caught:
        new_grid(
            "g", parent, factors[1:], 3, Path("ablations"), overrides=["grid.seeds=[1]", "model.d_model=8"]
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "--set: model.d_model: addresses the base experiment; write one that sets it with: ablab experiment new",
        "--set: grid.seeds: is given by its own option or argument",
    ]
    with pytest.raises(SpecError, match=r"--factor: improvements\.mlp_head: is given twice"):
        new_grid("g", parent, factors[1:] * 2, 3, Path("ablations"))
    assert not Path("ablations").exists()


def test_a_factor_is_read_as_yaml() -> None:
    assert parse_factor("a.b=none, 1e-3,'x,y',true") == ("a.b", ["none", 0.001, "x,y", True])
    with pytest.raises(SpecError, match="--factor: 'a' is not key=level,level"):
        parse_factor("a")
    with pytest.raises(SpecError, match="--factor: a: is not YAML"):
        parse_factor("a=[1")
