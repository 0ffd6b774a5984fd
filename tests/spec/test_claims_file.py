"""Claims files: what loads, and what is said of every fault, where it stands."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from ablab.errors import SpecError
from ablab.spec.authoring import new_claims
from ablab.spec.claims import Ledger
from ablab.spec.claims_file import load_claims
from ablab.spec.claims_template import TEMPLATE
from ablab.spec.reader import read_file
from ablab.spec.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "ablations" / "claims").glob("*.yaml"))

HEAD = """\
kind: claims
name: paper
source: A paper
arms:
  before: {improvements.residual: none}
  after: {improvements.residual: gated}
numbers: {a: 1.0}
parameters: {before: 10}
claims:
  gain:
    source: Table 1
    statement: It gains.
"""
GOOD = """\
    quantity: {kind: difference, metric: test/pearson, treatment: after, reference: before}
    claimed: {above: 0.01}
    data: real
"""


def faults(folder: Path, text: str) -> list[str]:
    file = folder / "claims.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as refused:
        load_claims(file)
    return [str(problem).replace(f"{folder}/", "") for problem in refused.value.problems]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_of_the_project_load_and_fit_the_schema(file: Path) -> None:
    assert load_claims(file).name == file.stem
    jsonschema.validate(read_file(file).tree.plain(), json_schema("claims"))


def test_the_guide_has_each_of_its_numbered_claims() -> None:
    (guide,) = FILES
    names = load_claims(guide).claims
    assert {name.partition("_")[0] for name in names} >= {f"C{number}" for number in range(1, 11)}


def test_values_come_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(HEAD + GOOD)
    ledger = load_claims(file)
    claim = ledger.claims["gain"]
    assert (claim.claimed.low, claim.claimed.high, claim.test, claim.data) == (
        0.01,
        float("inf"),
        "interval",
        "real",
    )
    assert ledger.arms["after"] == {"improvements.residual": "gated"}
    assert Ledger.model_validate_json(ledger.model_dump_json()) == ledger


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            GOOD.replace("treatment: after", "treatment: aftr"),
            "claims.yaml:13: claims.gain.quantity.treatment: 'aftr' is not under 'arms' "
            "(did you mean 'after'?)",
        ),
        (
            GOOD.replace("metric: test", "metirc: test"),
            "claims.yaml:13: claims.gain.quantity.metirc: unknown key (did you mean 'metric'?)",
        ),
        (
            GOOD.replace("kind: difference", "kind: diference"),
            "claims.yaml:13: claims.gain.quantity.kind: must be 'arithmetic', 'parameters', 'metric', "
            "'difference', 'ratio'",
        ),
        (
            GOOD.replace("above: 0.01", "above: 0.02, below: 0.01"),
            "claims.yaml:14: claims.gain.claimed.below: must be larger than 'above'",
        ),
        (
            GOOD.replace("above: 0.01", "tolerance: 0.1"),
            "claims.yaml:14: claims.gain.claimed: says nothing; give 'above', 'below' or 'value'",
        ),
        (
            GOOD.replace("above: 0.01", "above: 0.01, value: 0.02"),
            "claims.yaml:14: claims.gain.claimed.value: give either a value or an interval",
        ),
        (
            GOOD.replace("data: real", "data: none"),
            "claims.yaml:15: claims.gain.data: difference is measured in runs; write 'any' or 'real'",
        ),
        (
            "    quantity: {kind: arithmetic, expression: a / b}\n    claimed: {value: 1.0}\n"
            "    data: none\n",
            "claims.yaml:13: claims.gain.quantity.expression: no number 'b' is given under 'numbers'",
        ),
        (
            "    quantity: {kind: parameters, arm: after}\n    claimed: {value: 1.0}\n    data: none\n",
            "claims.yaml:13: claims.gain.quantity.arm: 'after' is not under 'parameters' (there are: before)",
        ),
        (
            "    quantity: {kind: parameters, arm: before, relative: true}\n    claimed: {value: 1.0}\n"
            "    data: none\n",
            "claims.yaml:13: claims.gain.quantity.relative: a share needs another arm",
        ),
        (
            GOOD.replace("data: real", "data: real\n    test: equivalenc"),
            "claims.yaml:16: claims.gain.test: must be 'interval' or 'equivalence'",
        ),
        (
            GOOD.replace("difference", "ratio").replace("data: real", "data: real\n    test: equivalence"),
            "claims.yaml:16: claims.gain.test: equivalence is a test of a difference",
        ),
    ],
)
def test_a_fault_is_named_where_it_stands(body: str, said: str, tmp_path: Path) -> None:
    found = faults(tmp_path, HEAD + body)
    assert any(fault.startswith(said) for fault in found), found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = (HEAD + GOOD).replace("improvements.residual: gated", "improvements.residul: gated")
    text = text.replace("source: Table 1", "sauce: Table 1").replace("name: paper", "name: a/b")
    found = faults(tmp_path, text)
    assert [fault.partition(": ")[0] for fault in found] == [
        "claims.yaml:2",
        "claims.yaml:10",
        "claims.yaml:11",
    ]
    found = faults(
        tmp_path, (HEAD + GOOD).replace("improvements.residual: gated", "improvements.residul: gated")
    )
    assert found == [
        "claims.yaml:6: arms.after.improvements.residul: no key of an experiment "
        "(did you mean 'improvements.residual'?)"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: grid\nname: a\n", "claims.yaml:1: kind: is no claims file; one begins with 'kind: claims'"),
        ("name: a\n", "claims.yaml: kind: is no claims file; one begins with 'kind: claims'"),
        ("- a\n", "claims.yaml:1: must be a mapping of keys to values"),
        ("kind: claims\nname: a\nsource: b\n", "claims.yaml:1: claims: missing; give at least one claim"),
    ],
)
def test_what_is_no_claims_file(text: str, said: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(said)


def test_a_new_file_loads_and_shows_every_kind_of_quantity(tmp_path: Path) -> None:
    ledger = load_claims(new_claims("my_paper", tmp_path))
    assert ledger.name == "my_paper"
    kinds = {claim.quantity.kind for claim in ledger.claims.values()}
    offered = json_schema("claims")["$defs"]["Claim"]["properties"]["quantity"]["anyOf"]
    assert len(kinds) == len(offered)


def test_the_page_shows_the_template() -> None:
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    assert shown == TEMPLATE
