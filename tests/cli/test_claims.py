"""``ablab claims``: the guide's file, errors, and a study."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from tests.orchestration import tiny

from ablab.cli.main import cli
from ablab.orchestration.grid import run_grid
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore

GUIDE = Path("ablations") / "claims" / "conformer_v2_guide.yaml"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def _told(done: Result, root: Path) -> dict[str, object]:
    assert done.exit_code == 0, done.output
    told: dict[str, object] = json.loads(done.stdout)
    jsonschema.validate(told, json.loads((root / "docs" / "json" / "claims_check.json").read_text("utf-8")))
    return told


def test_the_guide_is_checked_without_any_run(root: Path, paths: Paths) -> None:
    told = _told(_run("claims", "check", root / GUIDE, "--json"), root)
    assert told["study"] is None
    assert told["counts"] == {"CONFIRMED": 10, "REFUTED": 5, "INCONSISTENT": 3}
    assert told["not_checked"]
    assert not paths.root.exists() or not any(paths.root.iterdir())


def test_the_text_has_verdict_statement_and_evidence(root: Path) -> None:
    done = _run("claims", "check", root / GUIDE)
    assert "vanishing" in done.stdout and "0.0009 / 0.0004 = 2.25, outside the claimed < 1." in done.stdout
    assert "18 claims: 10 confirmed, 5 refuted, 3 inconsistent;" in done.stdout
    assert "more need runs (--study STUDY)" in done.stdout


def test_a_file_that_is_not_there_is_named_with_the_nearest(root: Path) -> None:
    done = _run("claims", "check", root / "ablations" / "claims" / "conformer_v2_guid.yaml")
    assert done.exit_code == 2
    assert "no such file (did you mean" in done.stderr


def test_a_new_file_is_checked_and_not_written_over(tmp_path: Path) -> None:
    done = _run("claims", "new", "mine", "--out", tmp_path)
    assert done.exit_code == 0 and Path(done.stdout.strip()) == tmp_path / "mine.yaml"
    assert "2 claims: 2 confirmed; " in _run("claims", "check", tmp_path / "mine.yaml").stdout
    assert _run("claims", "new", "mine", "--out", tmp_path).exit_code == 2


def test_against_a_study(root: Path, tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny.loaded(tmp_path, seeds=(0, 1, 2))
    store = MemoryStore()
    run_grid(loaded, paths=paths, store=store, launcher="inline")
    monkeypatch.setattr("ablab.tracking.open.open_store", lambda paths: store)
    told = _told(_run("claims", "check", root / GUIDE, "--study", loaded.study, "--json"), root)
    assert told["simulated"] is True and told["not_checked"] == 0
    verdicts = {each["claim"]: each["verdict"] for each in told["claims"]}  # type: ignore[attr-defined]
    assert verdicts["v2_improves"] == verdicts["C1"] == "NOT TESTABLE"
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "kind: claims\nname: mine\nsource: nobody\narms:\n  head: {improvements.mlp_head: true}\n"
        "  linear: {improvements.mlp_head: false}\nclaims:\n"
        "  params:\n    source: s\n    statement: the head is larger\n"
        "    quantity: {kind: ratio, metric: model/parameters, treatment: head, reference: linear}\n"
        "    claimed: {above: 1.0}\n    data: any\n"
        "  norm:\n    source: s\n    statement: the norm is above zero\n"
        "    quantity: {kind: course, metric: gradient/norm, arm: head, extreme: lowest}\n"
        "    claimed: {above: -1000.0}\n    data: any\n"
    )
    told = _told(_run("claims", "check", mine, "--study", loaded.study, "--json"), root)
    assert told["counts"] == {"CONFIRMED": 2}
    done = _run("claims", "check", mine, "--study", "nothing")
    assert done.exit_code == 2 and "no such study" in done.stderr
