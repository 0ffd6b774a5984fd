from __future__ import annotations

import pytest

from ablab.tracking.tags import RESERVED, factor_tags, level_text


def test_a_factor_is_tagged_by_the_last_part_of_its_key():
    factors = {
        "improvements.residual": "gated",
        "improvements.gradient_scale": 2.0,
        "training.clip_norm": None,
    }
    assert factor_tags(factors) == {"residual": "gated", "gradient_scale": "2.0", "clip_norm": "null"}


def test_factors_whose_last_parts_collide_are_tagged_by_their_whole_key():
    factors = {"training.loss.kind": "mse", "model.kind": "conformer", "model.n_layers": 2}
    assert factor_tags(factors) == {
        "training.loss.kind": "mse",
        "model.kind": "conformer",
        "n_layers": "2",
    }


@pytest.mark.parametrize("reserved", ["study", "cell", "seed", "key", "role"])
def test_a_factor_never_takes_a_reserved_tag(reserved: str):
    assert reserved in RESERVED
    assert factor_tags({f"dataset.{reserved}": 1}) == {f"dataset.{reserved}": "1"}


def test_levels_read_as_in_yaml():
    assert [level_text(level) for level in (True, 1e-4, 1, None, "a b", (0.9, 0.98))] == [
        "true",
        "0.0001",
        "1",
        "null",
        "a b",
        "[0.9, 0.98]",
    ]
