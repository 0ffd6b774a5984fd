"""Ids and labels of cells."""

from __future__ import annotations

import pytest

from ablab.designs.labels import cell_id, label, short_names
from ablab.spec.experiment import Level

ALL: dict[str, Level] = {
    "improvements.residual": "gated",
    "improvements.mlp_head": True,
    "improvements.gradient_scale": 2.0,
}


def test_the_three_improvements() -> None:
    assert cell_id(ALL) == "residual=gated,mlp_head=true,gradient_scale=2.0"
    assert label(ALL) == "gated · mlp · gs2"
    assert (
        label({**ALL, "improvements.mlp_head": False, "improvements.gradient_scale": 1.5})
        == "gated · linear · gs1.5"
    )


@pytest.mark.parametrize(
    ("factors", "wanted_id", "wanted_label"),
    [
        ({"improvements.gradient_scale_position": "head"}, "gradient_scale_position=head", "@head"),
        ({"improvements.gradient_scale_position": "stack"}, "gradient_scale_position=stack", "@stack"),
        ({"training.clip_norm": None}, "clip_norm=null", "clip_norm=null"),
        ({"training.learning_rate": 1e-5}, "learning_rate=1.0e-05", "learning_rate=1.0e-05"),
        ({"training.betas": (0.9, 0.98)}, "betas=[0.9,0.98]", "betas=[0.9,0.98]"),
        (
            {"model.macaron": False, "model.n_layers": 2},
            "macaron=false,n_layers=2",
            "macaron=false · n_layers=2",
        ),
        (
            {"training.schedule.kind": "step", "training.loss.kind": "mse"},
            "training.schedule.kind=step,training.loss.kind=mse",
            "training.schedule.kind=step · training.loss.kind=mse",
        ),
    ],
)
def test_other_factors(factors: dict[str, Level], wanted_id: str, wanted_label: str) -> None:
    assert cell_id(factors) == wanted_id
    assert label(factors) == wanted_label


def test_a_reserved_tag_is_never_a_short_name() -> None:
    assert short_names(["dataset.seed", "training.epochs"]) == {
        "dataset.seed": "dataset.seed",
        "training.epochs": "epochs",
    }
