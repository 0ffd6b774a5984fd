"""``ablab report``: files, the study's artifacts, and what it says when it cannot."""

from __future__ import annotations

import json
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
    return CliRunner().invoke(cli, ["report", *arguments])


@pytest.fixture
def stored(paths: Paths, tables: None) -> Paths:
    """Two cells x three seeds in the store that the commands open."""
    store = open_store(paths)
    for record in full_factorial(n_subjects=3):
        if record.cell in (ORIGINAL, FULL):
            cell = Cell(record.cell, record.label, record.factors, record.experiment)
            writer = store.open_run(Trial(record.key, "two_cells", cell, record.seed, "d" * 32))
            writer.metrics(10, {"validation/pearson": 0.1})
            writer.tag({"device": "cuda:0"})
            writer.finish(record.metrics, record.subjects)
    return paths


def test_a_report_is_written_kept_with_the_study_and_replaced(
    stored: Paths, root: Path, tmp_path: Path
) -> None:
    # One test, because opening the store costs more than all the rest.
    first = ablab()
    assert first.exit_code == 0, first.stderr
    files = [Path(line) for line in first.stdout.splitlines()]
    assert [file.name for file in files] == ["report.html", "report.md", "report.tex", "scores.csv"]
    assert {file.parent for file in files} == {stored.root / "reports" / "two_cells"}
    assert "GPU-hours" in files[0].read_text(encoding="utf-8")

    answer = ablab("two_cells", "--out", str(tmp_path / "out"), "--format", "md", "--json")
    value = json.loads(answer.stdout)
    schema = json.loads((root / "docs" / "json" / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert value["files"] == [str(tmp_path / "out" / "report.md")]
    assert value["kept"]

    bundle = ablab("two_cells", "--bundle", "--out", str(tmp_path / "bundle"), "--format", "html")
    assert bundle.exit_code == 0, bundle.stderr
    assert (tmp_path / "bundle" / "manifest.json").is_file()

    store = open_store(stored)
    artifacts = stored.artifacts / "two_cells"
    kept = sorted(path.relative_to(artifacts).as_posix() for path in artifacts.rglob("report.*"))
    assert len(kept) == 3, "one copy of each file, however often the report was written"
    run_id = kept[0].split("/")[0]
    assert store.artifact(run_id, "report/report.html").is_file()
    assert store.artifact(run_id, "report/plots/forest.svg").is_file()
    assert len(store.records("two_cells")) == 6

    unknown = ablab("two_cell")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "error: two_cell: no such study in " in unknown.stderr
    assert "did you mean 'two_cells'?" in unknown.stderr

    wrong = ablab("two_cells", "--format", "pdf")
    assert wrong.exit_code == 2
    assert "error: --format: no format 'pdf' (there are: html, md, tex, csv; " in wrong.stderr

    lost = ablab("two_cells", "--claims", str(tmp_path / "lost.yaml"), "--out", str(tmp_path / "none"))
    assert lost.exit_code == 2
    assert "lost.yaml" in lost.stderr
    assert not (tmp_path / "none").exists()


def test_without_any_study_it_says_what_to_do(paths: Paths) -> None:
    result = ablab()
    assert result.exit_code == 2
    assert "run one: ablab grid run ablations/quickstart.yaml" in result.stderr
