"""The JSON schema: refuses what the loader refuses, and explains the fields."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from ablab.spec.schema import json_schema


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": "a", "modle": {}},
        {"name": "a", "model": {"d_modle": 3}},
        {"name": "a", "model": {"drop_prob": 1.0}},
        {"name": "a", "improvements": {"residual": "gatd"}},
        {"name": "a", "dataset": {"kind": "simulated", "subjects": None}},
    ],
)
def test_wrong_experiments_do_not_fit(content: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json_schema("experiment"))


@pytest.mark.parametrize(
    "content",
    [
        {"name": "a", "extends": "b.yaml"},
        {"name": "a", "dataset": {"minutes": 3}, "training": {"loss": {"weight": 1}, "betas": [0.9, 0.9]}},
    ],
)
def test_a_child_that_leaves_the_kind_to_its_parent_fits(content: dict[str, Any]) -> None:
    jsonschema.validate(content, json_schema("experiment"))


def test_notes_from_the_source_describe_the_fields() -> None:
    definitions = json_schema("experiment")["$defs"]
    assert (
        definitions["Conformer"]["properties"]["d_inner"]["description"]
        == "Width of the feed-forward modules."
    )
    # Inherited from what all kinds of data set share.
    assert definitions["Simulated"]["properties"]["window_seconds"]["description"].startswith(
        "Length of a training"
    )
    assert "reference" in json_schema("grid")["properties"]["factors"]["description"]


def test_a_grid_says_its_kind() -> None:
    assert json_schema("grid")["required"] == ["kind", "name"]
