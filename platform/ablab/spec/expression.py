"""Arithmetic as text: numbers, names, + - * / and brackets. Nothing is ever executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST = 500
"""Characters; a claim's arithmetic has some ten, and brackets nested without end exhaust the parser."""


def evaluate(text: str, numbers: Mapping[str, float]) -> float:
    """The value of ``text``, in which ``numbers`` may be named.

    Raises ValueError, with a text for the user, where it is no arithmetic, names an unknown number or divides
    by zero.

    >>> round(evaluate("front / head - 1", {"front": 0.3, "head": 0.22}), 3)
    0.364
    """
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters; {_LONGEST} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _value(tree.body, numbers)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is no arithmetic; write numbers, names, + - * / and brackets") from error
    except ZeroDivisionError as error:
        raise ValueError(f"{text!r} divides by zero") from error


def _value(node: ast.expr, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name) if name in numbers:
            return float(numbers[name])
        case ast.Name(id=name):
            known = f"there are: {', '.join(numbers)}" if numbers else "there are none"
            raise ValueError(f"no number {name!r} is given under 'numbers' ({known})")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, numbers), _value(right, numbers))
    raise ValueError(f"{ast.unparse(node)!r} is no arithmetic; write numbers, names, + - * / and brackets")
