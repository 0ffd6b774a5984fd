"""The guide's flags mean what the guide says, not what ``type=bool`` made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablab.errors import InputError, SpecError
from ablab.spec.guide_flags import GuideFlags, guide_experiment, guide_spec, meant
from ablab.spec.identity import flatten
from ablab.spec.load import load_experiment


def differences(flags: GuideFlags, file: Path) -> dict[str, tuple[object, object]]:
    ours, theirs = flatten(guide_experiment(flags).experiment), flatten(load_experiment(file).experiment)
    return {
        key: (ours.get(key), theirs.get(key))
        for key in {*ours, *theirs} - {"name", "notes"}
        if ours.get(key) != theirs.get(key)
    }


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (GuideFlags(variant="original"), "original"),
        (GuideFlags(variant="v2"), "v2_full"),
        (GuideFlags(variant="v2", use_gated_residual=False, gradient_scale=1.5), "v2_conservative"),
        (GuideFlags(variant="v2", gradient_scale=3.0), "v2_aggressive"),
    ],
)
def test_the_guides_configurations_are_the_files_of_the_project(root: Path, flags, name: str) -> None:
    assert differences(flags, root / "experiments" / f"{name}.yaml") == {}


def test_every_flag_reaches_its_key() -> None:
    flags = GuideFlags(
        variant="v2",
        epoch=300,
        batch_size=32,
        n_layers=12,
        d_model=128,
        n_head=8,
        conv_kernel_size=15,
        learning_rate=2e-4,
        use_gated_residual=True,
        use_mlp_head=False,
        gradient_scale=3.0,
        use_ddp=True,
        nproc_per_node=4,
        data="elsewhere",
    )
    assert meant(flags) == {
        "training.epochs": 300,
        "training.batch_size": 32,
        "training.learning_rate": 2e-4,
        "model.n_layers": 12,
        "model.d_model": 128,
        "model.n_heads": 8,
        "model.conv_kernel_size": 15,
        "improvements.gradient_scale": 3.0,
        "dataset.path": "elsewhere",
        "improvements.residual": "gated",
        "improvements.mlp_head": False,
        "training.processes": 4,
    }
    held = flatten(guide_experiment(flags).experiment)
    assert {key: held[key] for key in meant(flags)} == meant(flags)


def test_the_printed_spec_is_the_one_that_is_trained(tmp_path: Path) -> None:
    flags = GuideFlags(variant="v2", epoch=50, learning_rate=5e-5)
    file = tmp_path / "mine.yaml"
    file.write_text(guide_spec(flags)[1])
    assert load_experiment(file).experiment == guide_experiment(flags).experiment


def test_other_flags_are_another_cell() -> None:
    names = {guide_spec(GuideFlags(variant="v2", epoch=epoch))[0] for epoch in (None, 50, 51)}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            GuideFlags(variant="original", use_mlp_head=True),
            "--use_mlp_head: belongs to --variant v2; the original has no residual, a linear head, scale 1",
        ),
        (
            GuideFlags(variant="v2", use_ddp=True),
            "--use_ddp: say on how many GPUs, for example --nproc_per_node 4",
        ),
        (
            GuideFlags(variant="v2", nproc_per_node=2),
            "--nproc_per_node: takes effect with --use_ddp only; give both or neither",
        ),
    ],
)
def test_flags_that_contradict_one_another_are_refused(flags: GuideFlags, text: str) -> None:
    with pytest.raises(InputError) as caught:
        meant(flags)
    assert str(caught.value) == text


def test_a_value_that_cannot_be_names_its_flag() -> None:
    with pytest.raises(SpecError) as caught:
        guide_experiment(GuideFlags(variant="v2", d_model=250))
    assert str(caught.value) == "--d_model: model.d_model: 250 is not divisible by n_heads 4"
    with pytest.raises(SpecError) as caught:
        guide_experiment(GuideFlags(variant="v2", epoch=0))
    assert str(caught.value).startswith("--epoch: training.epochs: ")
