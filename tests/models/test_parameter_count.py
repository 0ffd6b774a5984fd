"""The arithmetic count against decoders that are built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablab.models.build import build_model
from ablab.models.parameter_count import parameter_count
from ablab.spec.claims_file import load_claims
from ablab.spec.experiment import Conformer, Improvements

SMALL = {"d_model": 12, "d_inner": 20, "n_heads": 3, "n_layers": 2, "conv_kernel_size": 5}


@pytest.mark.parametrize(
    ("model", "improvements"),
    [
        ({}, {}),
        ({"n_layers": 0}, {"residual": "gated"}),
        ({"n_layers": 3, "macaron": False}, {"residual": "global"}),
        ({"front_end": "linear", "squeeze_excitation": False}, {"residual": "gated"}),
        ({"subject_conditioning": False, "relative_positions": False}, {"mlp_head": True}),
        ({"d_model": 3, "sinusoidal_positions": False}, {"mlp_head": True, "residual": "gated"}),
    ],
)
@pytest.mark.parametrize(("n_chans", "n_subjects"), [(1, 1), (6, 4)])
def test_the_count_is_that_of_the_decoder(
    model: dict[str, Any], improvements: dict[str, Any], n_chans: int, n_subjects: int
) -> None:
    spec, toggles = Conformer(**{**SMALL, **model}), Improvements(**improvements)
    built = build_model(spec, toggles, n_chans, n_subjects)
    counted = sum(parameter.numel() for parameter in built.parameters())
    assert parameter_count(spec, toggles, n_chans, n_subjects) == counted


@pytest.mark.parametrize(
    ("improvements", "count"),
    [
        ({}, 15_521_793),
        ({"residual": "global"}, 15_521_793),
        ({"residual": "gated"}, 15_521_793 + 33_088),
        ({"residual": "gated", "mlp_head": True}, 15_588_161),
    ],
)
def test_full_size(improvements: dict[str, Any], count: int) -> None:
    assert parameter_count(Conformer(), Improvements(**improvements), 64, 71) == count


def test_the_claims_ledger_holds_what_is_counted(root: Path) -> None:
    ledger = load_claims(root / "ablations" / "claims" / "conformer_v2_guide.yaml")
    toggles = {
        "original": Improvements(),
        "simple": Improvements(residual="global", mlp_head=True),
        "gated": Improvements(residual="gated", mlp_head=True),
    }
    built = {
        arm: sum(p.numel() for p in build_model(Conformer(), on, 64, 71).parameters())
        for arm, on in toggles.items()
    }
    assert ledger.parameters == built
