"""CSV, JSON and Markdown."""

from __future__ import annotations

import csv as reader
import functools
import io
import json as encoder
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, full_factorial, run, two_arms

from ablab.comparison import verdicts
from ablab.comparison.compare import compare
from ablab.comparison.values import Comparison, Verdict
from ablab.reporting import csv, json, markdown
from ablab.spec.grid import Analysis


def study(records, **options) -> Comparison:
    options = {"reference": ORIGINAL, "treatment": FULL, "floor": 0.155} | options
    return compare(records, study="quickstart", analysis=Analysis(), **options)


@pytest.fixture
def schema(root: Path) -> dict:
    return encoder.loads((root / "docs" / "json" / "compare.json").read_text())


@functools.cache
def studies() -> dict[str, Comparison]:
    failed = full_factorial()
    failed[5] = replace(failed[5], status="failed", subjects=(), metrics={}, error="loss is NaN")
    lost = [run(seed=s, scores={"a": 0.1, "b": 0.2}) for s in range(2)]
    lost += [run(FULL, s, {"a": 0.1}) for s in range(2)]
    return {
        "three seeds": study(full_factorial()),
        "five seeds": study(full_factorial(seeds=range(5))),
        "one seed": study(full_factorial(seeds=[0])),
        "a failure": study(failed),
        "a lost subject": study([replace(r, factors={}) for r in lost]),
        "identical": study(two_arms(np.zeros((4, 5)))),
        "nothing of the treatment": study([run(seed=0), run(seed=1)]),
        "another metric": study(full_factorial(), metric="gradient/ratio"),
        "no declaration": study(full_factorial(), reference=None, treatment=None, floor=None),
    }


@pytest.mark.parametrize("name", studies())
def test_json_keeps_to_its_schema_and_is_json(name: str, schema: dict) -> None:
    value = json.as_object(studies()[name])
    again = encoder.loads(encoder.dumps(value, allow_nan=False))
    jsonschema.Draft202012Validator(schema).validate(again)


def test_json_promises_of_the_contract() -> None:
    value = json.as_object(study(full_factorial()))
    assert {"study", "metric", "baseline", "rows", "excluded"} <= set(value)
    row = value["rows"][1]
    for key in ("cell", "factors", "n_seeds", "n_subjects", "mean", "delta", "ci_low", "ci_high", "p_value"):
        assert row[key] is not None
    for key in ("verdict", "gradient_ratio", "drift", "parameters", "seconds"):
        assert row[key] is not None
    assert row["cell"] == FULL
    assert row["factors"]["improvements.residual"] == "gated"
    assert value["baseline"] == value["rows"][0]["cell"] == ORIGINAL
    assert value["rows"][0]["delta"] is None


def test_the_schema_knows_every_label(schema: dict) -> None:
    known = schema["$defs"]["row"]["properties"]["verdict"]["enum"]
    kinds = ("improved", "worse", "higher", "lower", "equivalent", "inconclusive", "identical", "not tested")
    possible = {
        verdicts.label(Verdict(kind, size=size, few_seeds=few))
        for kind in (*kinds, "reference")
        for size in (None, "relevant", "small")
        for few in (False, True)
    }
    assert possible <= set(known)


def test_confirmatory_is_the_declared_contrast_with_five_seeds() -> None:
    assert json.as_object(study(full_factorial(seeds=range(5))))["confirmatory"]
    assert not json.as_object(study(full_factorial()))["confirmatory"]
    other = study(full_factorial(seeds=range(5)), metric="validation/pearson")
    assert not json.as_object(other)["confirmatory"]


def test_csv_is_tidy_and_exact() -> None:
    comparison = study(full_factorial())
    rows = list(reader.DictReader(io.StringIO(csv.render(comparison))))
    assert len(rows) == 12
    assert rows[1]["improvements.mlp_head"] == "true"
    assert rows[1]["improvements.residual"] == "gated"
    assert float(rows[1]["delta"]) == comparison.rows[1].effect.test.mean
    assert rows[0]["delta"] == ""
    assert {row["study"] for row in rows} == {"quickstart"}


def test_csv_has_a_column_for_every_factor_of_any_cell() -> None:
    records = [run(seed=0, factors={"a": None}), run(seed=1, factors={"a": None})]
    records += [run(FULL, s, factors={"b": 2.0}, experiment=run().experiment) for s in range(2)]
    rows = list(reader.DictReader(io.StringIO(csv.render(study(records)))))
    assert [(row["a"], row["b"]) for row in rows] == [("null", ""), ("", "2.0")]


def test_markdown_has_one_row_per_cell_and_every_line() -> None:
    text = markdown.render(study(full_factorial()))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 14
    assert len({line.count("|") for line in table}) == 1
    assert text.startswith("**test/pearson, 8 subjects x 3 seeds, SIMULATED data.")
    assert "- **scope** new subjects yes" in text
    assert "- **floor** ridge .1550" in text
    assert text.endswith("\n")


def test_markdown_escapes_what_would_break_the_table() -> None:
    records = [replace(r, label="a|b_c*") if r.cell == FULL else r for r in two_arms(np.zeros((4, 3)))]
    text = markdown.render(study(records))
    assert "| a\\|b\\_c\\* |" in text


def test_the_description_of_a_study_ends_with_the_next_command() -> None:
    text = markdown.description(study(full_factorial()), "ablab compare v2_full --format md")
    assert text.rstrip().endswith("- **next** `ablab compare v2_full --format md`")
    assert "SIMULATED" in text
    assert len(text) < 4000


def test_the_description_of_a_large_study_is_cut_and_says_so() -> None:
    records = [run(f"cell{i:02}", seed, label=f"cell{i:02}") for i in range(40) for seed in range(2)]
    text = markdown.description(study(records, reference="cell00", treatment=None), "ablab ui")
    assert "- **more** 24 more cells: `ablab compare quickstart --all`" in text
    assert len(text) < 5000
