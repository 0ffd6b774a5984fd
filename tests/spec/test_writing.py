"""Writing YAML that reads back unchanged."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

import random

import pytest

from ablab.spec.experiment import Experiment, Level
from ablab.spec.load import with_values
from ablab.spec.reader import read_text
from ablab.spec.writing import experiment_yaml, grid_yaml, resolved_yaml, yaml_value

TEXTS = [
    "", " ", "yes", "true", "null", "~", "1", "1e-3", "0x1f", ".nan", "2026-11-23", "a b", "a: b", "a #b", "#", "- a",
    "[a]", "{a}", "a,b", "&a", "*a", "!a", "%a", "@a", "`a`", "'a'", '"', "\\", "\\n", "a\nb", "a\tb", "\x07", "\x85",
    "\u2028", "\ufeff", "é", "🎧", "..", "../x.yaml", "a=b", "<<", "---", "=", "-", "a-", "?",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_reads_back(text: str) -> None:
    tree = read_text(f"a: {yaml_value(text)}\nb: [{yaml_value(text)}, 1]\n", "x").tree
    assert tree.plain() == {"a": text, "b": [text, 1]}


def test_random_values_read_back() -> None:
    draw = random.Random(0)
    for _ in range(300):
        number = draw.choice(
            [draw.random(), draw.random() * 10 ** draw.randint(-30, 30), draw.randint(-9, 9)]
        )
        text = "".join(
            chr(draw.choice([*range(32, 127), 0xE9, 0x2028, 0x1F3A7])) for _ in range(draw.randint(0, 8))
        )
        values: list[Level] = [number, text, draw.choice([True, False, None])]
        read = read_text(f"a: {yaml_value(values)}", "x").tree.plain()["a"]
        assert read == values
        assert [type(each) for each in read] == [type(each) for each in values]


def test_a_resolved_experiment_says_where_its_values_come_from() -> None:
    text = resolved_yaml(Experiment(name="a"), {"name": "a.yaml:1", "model.d_model": "--set"})
    lines = text.splitlines()
    assert lines[0] == "name: a  # a.yaml:1"
    assert "  d_model: 256  # --set" in lines
    assert "  eps: 1.0e-09  # default" in lines
    # The kind comes first in its block, since it says which keys can follow.
    assert lines[lines.index("dataset:  # default".partition("  #")[0]) + 1].startswith(
        "  kind: split_folder"
    )


def test_a_new_experiment_explains_its_keys() -> None:
    text = experiment_yaml(
        "a",
        {"improvements.residual": "gated", "training.loss.kind": "mse", "model.d_model": 8},
        extends="b.yaml",
    )
    assert text == (
        "# Experiment a: how it differs from b.yaml.\n"
        "# All keys, with where each was written: ablab experiment show FILE\n"
        "name: a\n"
        "extends: b.yaml\n"
        "improvements:\n"
        "  residual: gated  # none | global | gated: Fusion of the stack's output with its input: none, sum, "
        "or learned gate\n"
        "training:\n"
        "  loss:\n"
        "    kind: mse  # mse_pearson | pearson | mse | huber_pearson | multi_scale_pearson\n"
        "model:\n"
        "  d_model: 8\n"
    )


def test_a_new_grid_explains_its_keys() -> None:
    text = grid_yaml(
        "g", "b.yaml", {"improvements.mlp_head": [False, True]}, [0, 1], values={"analysis.sesoi": 0.02}
    )
    assert text == (
        "# Grid g. Paths are relative to this file.\n"
        "kind: grid\n"
        "name: g\n"
        "base: b.yaml\n"
        "factors:  # the first level is the reference, the last the full level\n"
        "  improvements.mlp_head: [false, true]\n"
        "design: full_factorial  # full_factorial | leave_one_out | add_one_in | one_at_a_time | named\n"
        "seeds: [0, 1]  # each cell is trained once under each\n"
        "analysis:\n"
        "  sesoi: 0.02  # Smallest effect of interest, in r\n"
    )


def test_a_resolved_experiment_of_every_kind_reads_back() -> None:
    for loss in ("mse_pearson", "pearson", "mse", "huber_pearson", "multi_scale_pearson"):
        for schedule in ("step", "cosine", "constant"):
            values: dict[str, Level] = {"training.loss.kind": loss, "training.schedule.kind": schedule}
            experiment = with_values(Experiment(name="a", notes="x: 'y' # z"), values)
            read = read_text(resolved_yaml(experiment), "x").tree.plain()
            assert Experiment.model_validate(read) == experiment
