"""Reading YAML: what scalars mean, where keys stand, what is refused."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ablab.errors import SpecError
from ablab.spec.reader import read_file, read_text


def plain(text: str) -> object:
    return read_text(text, "x.yaml").tree.plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-9", 1e-9),
        (".5", 0.5),
        ("-3", -3),
        ("+3", 3),
        ("012", 12),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("false", False),
        ("'false'", "false"),
        ('"1"', "1"),
        ("~", None),
        ("", None),
        ("null", None),
        ("2026-11-23", "2026-11-23"),
        ("12:30", "12:30"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("[1, [a, true]]", [1, ["a", True]]),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read = plain(f"a: {text}")
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


def test_nan_is_read_as_a_number() -> None:
    read = plain("a: .nan")
    assert isinstance(read, dict)
    assert math.isnan(read["a"])


def test_every_key_and_item_knows_its_line() -> None:
    tree = read_text("a:\n  b: 1\n\n  c:\n    - x\n    - y\n", "x.yaml").tree
    b, c = tree.at("a.b"), tree.at("a.c")
    assert b is not None and c is not None
    assert str(b.mark) == "x.yaml:2"
    assert c.mark.line == 4
    assert isinstance(c.value, tuple)
    assert [item.mark.line for item in c.value] == [5, 6]


def test_plain_aliases_are_values_like_others() -> None:
    assert plain("a: &x true\nb: *x\n") == {"a": True, "b": True}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n\tb: 2\n", "x.yaml:2: a tab stands where YAML wants spaces; indent with spaces"),
        ("a:\n\t- 1\n", "x.yaml:2: a tab stands where YAML wants spaces; indent with spaces"),
        ("", "x.yaml:1: is empty"),
        ("# only a comment\n", "x.yaml:1: is empty"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: a second document begins here ('---'); a spec is one document"),
        (
            "a: 1\nb: c: d\n",
            "x.yaml:2: is not YAML: a ':' where no key can stand; check the indentation, or quote the text",
        ),
        ("a: 1\nb: 'x\n", "x.yaml:3: is not YAML: a quote or bracket is not closed"),
        ("a: 1\nb: \x07\n", "x.yaml:2: the control character 0x07 may not stand in YAML; delete it"),
        ("[" * 1200, "x.yaml: is nested too deeply"),
        (
            "a: &a [*a]\n",
            "x.yaml:1: a[0]: an alias (*) refers to itself, or aliases multiply without end; write the value out",
        ),
    ],
)
def test_a_syntax_error_stops_alone(text: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_text(text, "x.yaml")
    assert str(caught.value) == problem


def test_aliases_that_multiply_end_early() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(SpecError, match="multiply without end"):
        read_text("\n".join(lines), "x.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: duplicate key (first in line 1)"),
        ("a:\n  b: 2\n  b: 2\n", "x.yaml:3: a.b: duplicate key (first in line 2)"),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            "x.yaml:1: a: YAML tag '!!python/object/apply:os.system' is refused: a spec is plain data; "
            "write the value without the tag",
        ),
        (
            "é: 1\na:\n  b: !foo {c: 1}\n",
            "x.yaml:3: a.b: YAML tag '!foo' is refused: a spec is plain data; write the value without the tag",
        ),
        (
            "a: &x !!str 5\n",
            "x.yaml:1: a: YAML tag '!!str' is refused: a spec is plain data; write the value without the tag",
        ),
        (
            "a: &x {b: 1}\nc:\n  <<: *x\n",
            "x.yaml:3: c.<<: merge keys are refused: their values have no line; write them out, or use 'extends'",
        ),
        ("? [a, b]\n: 1\n", "x.yaml:1: a key must be plain text, not a list or mapping"),
        (f"a: {'9' * 5000}\n", "x.yaml:1: a: a number with 5000 digits cannot be read"),
    ],
)
def test_other_faults_are_collected(text: str, problem: str) -> None:
    assert [str(each) for each in read_text(text, "x.yaml").problems] == [problem]


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(SpecError) as caught:
        read_file(file)
    assert str(caught.value) == f"{file}:2: byte 0xe9 is not UTF-8; save the file as UTF-8"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_file(file).tree.plain() == {"a": 1, "b": 2}


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a folder, not a file"):
        read_file(tmp_path)
