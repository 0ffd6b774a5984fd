"""Placebo arms, chance per subject and declared claims, as text and as JSON."""

from __future__ import annotations

import json as encoder
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
from tests.comparison.study import FULL, ORIGINAL
from tests.comparison.test_placebos import with_placebos

from ablab.comparison.claims import check_claims
from ablab.comparison.compare import compare
from ablab.comparison.values import Comparison
from ablab.reporting import json
from ablab.reporting.claims import claims_object, claims_text
from ablab.reporting.lines import lines
from ablab.spec.claims_file import load_claims


def told(root: Path) -> Comparison:
    rng = np.random.default_rng(1)
    null, wrong = rng.normal(0, 0.002, (6, 5)), rng.normal(0.05, 0.002, (6, 5))
    records = [
        replace(run, subjects=tuple(replace(score, chance_p=0.04) for score in run.subjects))
        for run in with_placebos(null, wrong, null)
    ]
    found = compare(records, study="s", reference=ORIGINAL, treatment=FULL)
    ledger = load_claims(root / "ablations" / "claims" / "conformer_v2_guide.yaml")
    return replace(found, claims=check_claims(ledger))


def test_the_lines_say_how_often_nothing_was_something(root: Path) -> None:
    found = dict(lines(told(root)))
    assert found["placebo"].startswith("1 of 2 placebo comparisons found a difference   a_a ")
    assert "no_eeg +.0" in found["placebo"] and "above chance in " in found["placebo"]
    assert "and in 6 of 6 subjects alone" in found["floor"]
    assert found["claims"].startswith(
        "conformer_v2_guide: 18 claims: 10 confirmed, 5 refuted, 3 inconsistent"
    )


def test_the_object_keeps_to_its_schema(root: Path) -> None:
    schemas = root / "docs" / "json"
    value = encoder.loads(encoder.dumps(json.as_object(told(root)), allow_nan=False))
    jsonschema.validate(value, encoder.loads((schemas / "compare.json").read_text("utf-8")))
    assert (value["placebos"]["false_positives"], value["placebos"]["tested"]) == (1, 2)
    assert [arm["verdict"] for arm in value["placebos"]["arms"]] == ["no difference", "difference"]
    assert {each["p_value"] for each in value["chance_by_subject"]} == {0.04}
    jsonschema.validate(value["claims"], encoder.loads((schemas / "claims_check.json").read_text("utf-8")))


def test_claims_as_text_and_object_agree(root: Path) -> None:
    report = told(root).claims
    assert report is not None
    text, value = claims_text(report), claims_object(report)
    for each in value["claims"]:
        assert each["claim"] in text and each["verdict"] in text
    assert value["claims"][0]["claimed_low"] == 0.1 and value["claims"][0]["claimed_high"] is None
