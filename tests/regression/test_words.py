"""A gate in words, as Markdown, as JUnit XML and as JSON; the hook that is told of it."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from ablab.regression import hook, junit, markdown, record, words
from ablab.regression.hook import run_hook
from ablab.regression.values import CheckResult, Finding, Gate, Judgement


def gate(*checks: CheckResult, identical: bool = False) -> Gate:
    first = CheckResult("test/pearson", "PASS", "fine", 0.2, 0.21, 0.01, -0.002, 0.022, 0.03)
    judgement = Judgement((first, *checks), "test/pearson", identical, 3, 8, 1, 0.05, ("a note",))
    return Gate(
        "smoke", "smoke", "20261125T010000Z-ab12", "f00d" * 8, "base", 2, "2026-11-25T01:00:00+00:00", 61.5,
        judgement, 1, "c0de" * 4, "beef" * 4, "da7a" * 4, ("run-1",), 0.2, 0.21,
    )  # fmt: skip


def other(finding: Finding, reason: str = "because | it * is <so>\x00") -> CheckResult:
    return CheckResult("weights/drift/head", finding, reason)


def test_the_headline_names_the_verdict_and_its_reason() -> None:
    head = "smoke against base version 2 (8 subjects x 3 seeds, look 1 of 1): "
    assert words.headline(gate()) == f"PASS: {head}test/pearson fine"
    same = "bit-identical: every difference in score is exactly zero"
    assert words.headline(gate(identical=True)) == f"PASS: {head}{same}"
    assert words.headline(gate(other("FAIL", "stands"))) == f"FAIL: {head}weights/drift/head stands"
    failed = gate(other("FAIL", "stands"), replace(other("FAIL"), name="data"))
    assert words.headline(failed) == f"FAIL: {head}weights/drift/head stands; also failed: data"
    opened = gate(other("INCONCLUSIVE", "open"))
    assert words.headline(opened) == f"INCONCLUSIVE: {head}weights/drift/head: open"


def test_the_terminal_shows_what_did_not_pass_and_counts_the_rest() -> None:
    shown = words.lines(gate(other("FAIL", "stands"), replace(other("PASS"), name="a/b")))
    assert "  ok    test/pearson        fine" in shown
    assert "  FAIL  weights/drift/head  stands" in shown
    assert "  ok    1 more: a/b" in shown
    assert "  note  a note" in shown
    assert shown[-1] == "next  ablab regression history base;  ablab ui"


def test_markdown_puts_failed_checks_first_and_escapes_what_would_break_the_table() -> None:
    lines = markdown.render(replace(gate(other("FAIL")), hook="on_fail x: done")).splitlines()
    assert lines[0].startswith("**FAIL: smoke against base version 2")
    assert lines[4].startswith("| weights/drift/head | FAIL | - | - | because \\| it \\* is &lt;so>")
    assert lines[5] == "| test/pearson | PASS | .2000 | .2100 | fine |"
    assert "- on_fail x: done" in lines


def test_junit_has_a_case_per_check_and_no_character_that_xml_forbids() -> None:
    found = gate(other("FAIL"), replace(other("INCONCLUSIVE"), name="b"), replace(other("SKIPPED"), name="c"))
    suite = ElementTree.fromstring(junit.render(found).encode())
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    failure = cases["weights/drift/head"].find("failure")
    assert failure is not None and failure.get("message") == "because | it * is <so>"
    assert cases["b"].find("error") is not None and cases["c"].find("skipped") is not None
    assert cases["test/pearson"].find("failure") is None


def test_json_fits_its_schema_also_where_numbers_are_missing_or_infinite(root: Path) -> None:
    schema = json.loads((root / "docs" / "json" / "regression_run.json").read_text())
    odd = replace(other("FAIL"), baseline=0.0, candidate=float("inf"))
    value = json.loads(record.as_text(gate(odd)))
    jsonschema.validate(value, schema)
    assert (value["verdict"], value["ci"], value["margin"]) == ("FAIL", [-0.002, 0.022], 0.03)
    assert value["checks"][1]["candidate"] is None


def test_tags_and_metrics_are_flat(root: Path) -> None:
    found = gate(replace(other("FAIL", "stands"), candidate=0.5))
    assert record.tags(found)["reasons"] == "weights/drift/head: stands"
    assert record.tags(gate())["reasons"] == ""
    assert record.metrics(found)["gate/delta"] == 0.01
    assert record.metrics(found)["weights/drift/head"] == 0.5


def script(folder: Path, text: str) -> str:
    file = folder / "tell.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_a_hook_is_told_and_what_becomes_of_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = gate(other("FAIL", "stands"))
    good = script(tmp_path, f'cat > {tmp_path}/told; echo "$ABLAB_GATE" >> {tmp_path}/told')
    assert run_hook([good], failed) == f"on_fail {good}: done"
    told, name = (tmp_path / "told").read_text().rsplit("}\n", 1)
    assert json.loads(told + "}")["verdict"] == "FAIL"
    assert name == f"{failed.gate}\n"
    assert run_hook(["/no/such/command"], failed) == (
        "on_fail /no/such/command: could not be started: No such file or directory"
    )
    bad = script(tmp_path, "echo one >&2; echo two >&2; exit 3")
    assert run_hook([bad], failed) == f"on_fail {bad}: failed with exit code 3: two"
    monkeypatch.setattr(hook, "_SECONDS", 0.2)
    assert run_hook([script(tmp_path, "exec sleep 30")], failed).endswith("stopped after 0.2 s")
