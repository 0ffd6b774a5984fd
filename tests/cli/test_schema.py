"""``ablab schema``."""

from __future__ import annotations

import json

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
