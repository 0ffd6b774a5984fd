"""``ablab schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from ablab.cli.main import cli
from ablab.spec.schema import SchemaKind, json_schema


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], "experiment"),
        (["experiment"], "experiment"),
        (["grid"], "grid"),
        (["search"], "search"),
        (["regression"], "regression"),
        (["claims"], "claims"),
    ],
)
def test_the_schema_is_printed(arguments: list[str], kind: SchemaKind) -> None:
    result = CliRunner().invoke(cli, ["schema", *arguments])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json_schema(kind)


def test_another_kind_is_refused() -> None:
    result = CliRunner().invoke(cli, ["schema", "sweep"])
    assert result.exit_code == 2
    assert "'sweep' is not one of 'experiment', 'grid', 'search', 'regression', 'claims'" in result.stderr


def test_the_page_of_specs_is_what_the_reference_prints(root: Path) -> None:
    result = CliRunner().invoke(cli, ["schema", "--reference"])
    assert result.exit_code == 0, result.output
    page = (root / "docs" / "specs.md").read_text(encoding="utf-8")
    assert page == result.stdout, "write it again: ablab schema --reference > docs/specs.md"


def test_the_reference_has_every_kind_and_every_key() -> None:
    page = CliRunner().invoke(cli, ["schema", "--reference"]).stdout
    for kind in get_args(SchemaKind):
        assert f"## {kind.capitalize()} files" in page
        assert all(f"`{name}" in page for name in json_schema(kind)["properties"]), kind
    assert "| `model.drop_prob` | number" in page
