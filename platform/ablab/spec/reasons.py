"""What is wrong with a value, in plain words: the validation library's error types put for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from ablab.spec.reader import scalar
from ablab.spec.shape import nearest


def reason(error: ErrorDetails) -> str:
    """The fault as the end of a sentence that begins with the key.

    >>> reason({"type": "greater_than", "loc": ("x",), "msg": "", "input": -1, "ctx": {"gt": 0.0}})
    'must be greater than 0, not -1'
    """
    write = _REASONS.get(error["type"])
    if write is not None:
        return write(error["input"], error.get("ctx", {}))
    # An error type that no field of today gives rise to; its own words are better than none.
    return error["msg"].replace("Input should be", "must be")


def describe(value: Any) -> str:
    """A value as an error text names it.

    >>> [describe(value) for value in (True, "yes", None, [1], {"a": 1}, 2.0)]
    ['the boolean true', "the string 'yes'", 'null', 'a list', 'a mapping', '2.0']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"the string {_cut(repr(value))}"
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, dict) else _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bound(words: str, name: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, context: f"must be {words} {_number(context[name])}, not {_cut(repr(value))}"


def _typed(wanted: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, context: f"must be {wanted}, not {describe(value)}{_quoted_hint(value, wanted)}"


def _quoted_hint(value: Any, wanted: str) -> str:
    if not isinstance(value, str) or len(value) > 40:
        return ""
    meant = type(scalar(value))
    is_wanted = meant is bool if wanted.startswith("a boolean") else meant in (int, float)
    return "; write it without the quotes" if is_wanted else ""


def _choice(value: Any, context: Mapping[str, Any]) -> str:
    expected = str(context.get("expected") or context.get("expected_tags"))
    names = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
    near = nearest(value, names) if isinstance(value, str) else None
    *others, last = (f"'{name}'" for name in names)
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"must be {listed}, not {describe(value)}" + (f" (did you mean '{near}'?)" if near else "")


def _kind(value: Any, context: Mapping[str, Any]) -> str:
    text = _choice(value, context)
    # A near name is a slip of the pen; any other is likely that of a package which is not installed.
    return text if "did you mean" in text else f"{text}; is the package that offers it installed?"


def _mapping(value: Any, context: Mapping[str, Any]) -> str:
    return f"must be a mapping (keys with values), not {describe(value)}"


def _empty_list(value: Any, context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    return "must not be empty" if least == 1 else f"must have at least {least} values"


def _too_long(value: Any, context: Mapping[str, Any]) -> str:
    return f"must have {context['max_length']} values, not {len(value)}"


_REASONS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "bool_type": _typed("a boolean (true or false)"),
    "float_type": _typed("a number"),
    "int_type": _typed("a whole number"),
    "string_type": _typed("text"),
    "tuple_type": _typed("a list"),
    "dict_type": _mapping,
    "mapping_type": _mapping,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "unknown_kind": _kind,
    "broken_kind": lambda value, context: f"the plug-in {value!r} {context['fault']}",
    "finite_number": lambda value, context: f"must be a finite number, not {value}",
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": lambda value, context: "must not be empty",
    "too_short": _empty_list,
    "too_long": _too_long,
    "value_error": lambda value, context: str(context["error"]),
}
