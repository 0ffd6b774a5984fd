"""What commands share: JSON on stdout, and kinds of values."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from ablab.cli.options import Device, FiniteRange, print_json, print_notices


def test_json_is_one_object_without_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": (1, float("inf")), "c": Path("x"), "d": "·", "e": True, "f": 2.5})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": None, "b": [1, None], "c": "x", "d": "·", "e": True, "f": 2.5}
    assert "·" in out


def test_notices_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_notices(["one", "two"])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "note: one\nnote: two\n")


@pytest.mark.parametrize("text", ["nan", "inf"])
def test_a_finite_range_refuses_what_comparisons_let_pass(text: str) -> None:
    with pytest.raises(click.BadParameter, match=f"{text} is not a finite number"):
        FiniteRange(0, min_open=True).convert(text, None, None)


def test_a_device_is_a_name_that_training_knows() -> None:
    assert [Device().convert(name, None, None) for name in ("auto", "cpu", "cuda:1")]
    with pytest.raises(click.BadParameter, match=r"'gpu' is not one of auto, cpu, cuda:N"):
        Device().convert("gpu", None, None)
