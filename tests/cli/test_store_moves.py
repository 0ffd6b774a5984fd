"""``ablab store export | import | migrate``: through the program, with the JSON that the docs promise."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from tests.orchestration import tiny

from ablab.cli.main import cli
from ablab.paths import Paths


def ablab(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def checked(root: Path, name: str, result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    jsonschema.validate(found, json.loads((root / "docs" / "json" / f"{name}.json").read_text()))
    return found


@pytest.mark.usefixtures("tables")
def test_a_study_moves_to_another_state_root(
    root: Path, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = tiny.write(tmp_path)
    assert ablab("grid", "run", grid, "--launcher", "inline").exit_code == 0
    out = tmp_path / "tinygrid.zip"
    exported = checked(root, "store_export", ablab("store", "export", "tinygrid", "--out", out, "--json"))
    assert (exported["runs"], exported["bytes"]) == (2, out.stat().st_size)
    again = ablab("store", "export", "tinygrid", "--out", out)
    assert (again.exit_code, again.stderr) == (
        2,
        f"error: {out}: is there already; name another file with --out\n",
    )

    monkeypatch.setenv("ABLAB_HOME", str(tmp_path / "elsewhere"))
    imported = checked(root, "store_import", ablab("store", "import", out, "--json"))
    assert (imported["imported"], imported["here_already"], imported["notes"]) == (2, 0, [])
    text = ablab("store", "import", out).stdout
    assert text == "tinygrid: 0 runs imported, 2 here already\nnext  ablab compare tinygrid;  ablab ui\n"
    migrated = checked(root, "store_migrate", ablab("store", "migrate", "--json"))
    assert [each["kept"] for each in migrated["databases"]] == [None]  # type: ignore[attr-defined]
    assert ablab("compare", "tinygrid").exit_code == 0


@pytest.mark.usefixtures("tables")
def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path, paths: Paths) -> None:
    grid = tiny.write(tmp_path)
    assert ablab("grid", "run", grid, "--launcher", "inline").exit_code == 0
    out = tmp_path / "tinygrid.zip"
    assert ablab("store", "export", "tinygrid", "--out", out).exit_code == 0
    done = ablab("store", "import", out, "--max-gigabytes", "0.000001")
    assert done.exit_code == 2
    assert "if you trust it: --max-gigabytes" in done.stderr


def test_a_file_that_is_not_there_is_named(paths: Paths) -> None:
    done = ablab("store", "import", "nowhere.zip")
    assert (done.exit_code, done.stderr) == (2, "error: nowhere.zip: no such file\n")


def test_nothing_recorded_is_nothing_to_migrate(paths: Paths) -> None:
    assert ablab("store", "migrate").stdout == "nothing is recorded here yet\n"
