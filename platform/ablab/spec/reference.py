"""The reference page of spec files, written from their JSON schemas: every key, its values, its default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from ablab.spec.schema import SchemaKind, json_schema
from ablab.spec.writing import yaml_value

_HEAD = """# Specs: every key

Written by `ablab schema --reference`; a test keeps this page equal to what the command prints. Values are
strict: `2` is no text and `yes` is no boolean. A key that is left out has its default; a key that is not here
is an error that names the nearest one. For editors: `ablab schema KIND > KIND.schema.json`.
"""

_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def markdown() -> str:
    """All kinds of spec files, one section each."""
    return "\n".join(
        [_HEAD, *(line for kind in get_args(SchemaKind) for line in _kind(kind, json_schema(kind)))]
    )


def _kind(kind: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {kind.capitalize()} files\n"
    description = schema.get("description")
    if description:
        yield f"{_first_paragraph(description)}\n"
    yield from _block(schema, schema.get("$defs", {}), "", set(schema.get("required", ())))


def _block(
    block: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str, required: set[str]
) -> Iterator[str]:
    rows, inner = [], []
    for name, field in block.get("properties", {}).items():
        key = f"{prefix}.{name}" if prefix else name
        blocks = _blocks(field, definitions)
        if blocks:
            inner.append((key, blocks, field))
        else:
            rows.append(_row(key, field, definitions, name in required))
    if rows:
        yield "| key | values | default | meaning |\n| --- | --- | --- | --- |"
        yield "\n".join(rows) + "\n"
    for key, blocks, field in inner:
        for title, each in blocks:
            kind = each.get("properties", {}).get("kind", {}).get("const")
            named = f"`{key}`" if kind is None or len(blocks) == 1 else f"`{key}` with `kind: {kind}`"
            yield f"### {named}\n"
            about = each.get("description") or field.get("description")
            if about and not about.startswith(title):
                yield f"{_first_paragraph(about)}\n"
            yield from _block(each, definitions, key, set(each.get("required", ())))


def _blocks(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The mappings that a field can hold, by title; empty for a plain value."""
    options = [field, *field.get("anyOf", ()), *field.get("oneOf", ())]
    names = [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]
    return [(name, definitions[name]) for name in names if "properties" in definitions[name]]


def _row(key: str, field: Mapping[str, Any], definitions: Mapping[str, Any], is_required: bool) -> str:
    default = "**required**" if is_required else f"`{_yaml(field.get('default'))}`"
    cells = (
        f"`{key}`",
        _values(field, definitions),
        default,
        field.get("description", "").replace("``", "`"),
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _values(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _values(definitions[field["$ref"].rpartition("/")[2]], definitions)
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_values(option, definitions) for option in options))
    if "enum" in field:
        return " ".join(f"`{_yaml(value)}`" for value in field["enum"])
    if "const" in field:
        return f"`{_yaml(field['const'])}`"
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return f"list of {len(field['prefixItems'])}: {_values(field['prefixItems'][0], definitions)}"
        items = field.get("items")
        return f"list of {_values(items, definitions)}" if items else "list"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` `false`"}
    text = names.get(str(kind), "null" if kind == "null" else "mapping" if kind == "object" else "any value")
    bounds = [f"{sign} {field[name]:g}" for name, sign in _BOUNDS.items() if name in field]
    return f"{text} {', '.join(bounds)}".rstrip()


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value) if value else "{}"
    return yaml_value(value)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).replace("``", "`")
