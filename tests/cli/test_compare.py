from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from tests.comparison.study import FULL, ORIGINAL, full_factorial

from ablab.cli.main import cli
from ablab.paths import Paths
from ablab.spec.trial import Cell, Trial
from ablab.tracking.open import open_store


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments])


@pytest.fixture
def stored(paths: Paths, tables: None) -> Paths:
    """Two cells x two seeds, one of which failed, in the store that the commands open."""
    store = open_store(paths)
    records = [r for r in full_factorial(n_subjects=3, seeds=range(2)) if r.cell in (ORIGINAL, FULL)]
    for record in records:
        cell = Cell(record.cell, record.label, record.factors, record.experiment)
        writer = store.open_run(Trial(record.key, "older", cell, record.seed, "d" * 32))
        if record is records[-1]:
            writer.fail("loss is NaN at step 88", "Traceback ...")
        else:
            writer.finish(record.metrics, record.subjects)
    return paths


def test_without_any_study_it_says_what_to_do(paths: Paths) -> None:
    result = ablab()
    assert result.exit_code == 2
    assert "error: no study in " in result.stderr
    assert "run one: ablab grid run ablations/quickstart.yaml" in result.stderr
    assert result.stdout == ""


def test_every_form_of_the_latest_study(stored: Paths, root: Path) -> None:
    # One test, because opening the store costs more than all the rest.
    table = ablab()
    assert table.exit_code == 0, table.stderr
    assert table.stdout.startswith("test/pearson, 3 subjects x 2 seeds, SIMULATED data.")
    assert "none·linear·gs1" in table.stdout
    assert "left out  1: gated·mlp·gs2·s1 (failed: loss is NaN at step 88)" in table.stdout

    keys = [state.key for state in open_store(stored).states("older") if state.status == "finished"]
    two = ablab(keys[0][:8], keys[1])
    assert two.exit_code == 0, two.stderr
    assert two.stdout.startswith("test/pearson, 3 subjects, one training each, SIMULATED data")
    assert "\nrefused   crossed quasi-t: one seed shows nothing" in two.stdout
    pair = json.loads(ablab(keys[0], keys[1], "--json").stdout)
    described = json.loads((root / "docs" / "json" / "compare_runs.json").read_text())
    jsonschema.Draft202012Validator(described).validate(pair)
    wrong = ablab(keys[0], keys[1], "--format", "md")
    assert wrong.exit_code == 2
    assert "error: --baseline and --format md, csv are for studies, not for two runs" in wrong.stderr

    value = json.loads(ablab("older", "--json").stdout)
    schema = json.loads((root / "docs" / "json" / "compare.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(value)
    assert value["study"] == "older"
    assert [row["cell"] for row in value["rows"]] == [ORIGINAL, FULL]
    assert value["rows"][1]["verdict"] == "not tested"
    assert value == json.loads(ablab("--format", "json").stdout)

    rows = list(csv.DictReader(io.StringIO(ablab("--format", "csv").stdout)))
    assert [row["n_seeds"] for row in rows] == ["2", "1"]
    assert "| none·linear·gs1 |" in ablab("--format", "md").stdout

    turned = json.loads(ablab("--baseline", "gated·mlp·gs2", "--json").stdout)
    assert turned["baseline"] == FULL
    ratio = json.loads(ablab("--metric", "gradient/ratio", "--json").stdout)
    assert ratio["metric"] == "gradient/ratio"

    unknown = ablab("--metric", "gradient/rato")
    assert unknown.exit_code == 2
    assert "has no metric 'gradient/rato'; did you mean 'gradient/ratio'" in unknown.stderr
    code = (
        "import sys; from ablab.cli.main import cli; cli(['compare', '--json'], standalone_mode=False);"
        "assert not {'torch', 'mlflow', 'optuna'} & set(sys.modules), 'slow imports'"
    )
    assert json.loads(subprocess.check_output([sys.executable, "-c", code])) == value

    missing = ablab("oldr")
    assert missing.exit_code == 2
    assert "'older'" in missing.stderr


def test_help_names_every_option() -> None:
    text = ablab("--help").stdout
    for option in ("--baseline", "--metric", "--format", "--json", "--all"):
        assert option in text
