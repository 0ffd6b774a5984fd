"""What commands share: JSON on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablab.cli.options import print_json, print_notices


def test_json_is_one_object_without_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": (1, float("inf")), "c": Path("x"), "d": "·", "e": True, "f": 2.5})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": None, "b": [1, None], "c": "x", "d": "·", "e": True, "f": 2.5}
    assert "·" in out


def test_notices_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_notices(["one", "two"])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "note: one\nnote: two\n")
