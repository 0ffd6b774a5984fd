"""Arithmetic as text: its value, and what is refused."""

from __future__ import annotations

import pytest

from ablab.spec.expression import evaluate

NUMBERS = {"front": 0.0009, "head": 0.155}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("front / head", 0.0009 / 0.155),
        ("2 * (3 - 1) + -4", 0.0),
        ("1e3 - 0.5", 999.5),
        ("  head - head ", 0.0),
    ],
)
def test_a_value(text: str, value: float) -> None:
    assert evaluate(text, NUMBERS) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("front / tail", "no number 'tail' is given under 'numbers' (there are: front, head)"),
        ("front / (head - head)", "divides by zero"),
        ("front /", "is no arithmetic"),
        ("__import__('os').system('true')", "is no arithmetic"),
        ("front ** 2", "'front ** 2' is no arithmetic"),
        ("True + 1", "'True' is no arithmetic"),
        ("front if head else 1", "is no arithmetic"),
        ("(" * 400 + "1" + ")" * 400, "characters; 500 are allowed"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        evaluate(text, NUMBERS)
    assert said in str(refused.value)


def test_without_numbers_none_is_named() -> None:
    with pytest.raises(ValueError, match="there are none"):
        evaluate("front", {})
