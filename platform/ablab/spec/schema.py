"""JSON schema of the spec files, for editors, with the notes that stand behind the fields in the source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any, Literal

from ablab.spec.claims import Ledger
from ablab.spec.experiment import Conformer, Experiment, SpecModel
from ablab.spec.grid import Grid
from ablab.spec.regression import Regression
from ablab.spec.search import Search
from ablab.spec.shape import EXTENDS

SchemaKind = Literal["experiment", "grid", "search", "regression", "claims"]

_MODELS: dict[SchemaKind, type[SpecModel]] = {
    "experiment": Experiment,
    "grid": Grid,
    "search": Search,
    "regression": Regression,
    "claims": Ledger,
}


def json_schema(kind: SchemaKind) -> dict[str, Any]:
    """The schema of a file of this kind.

    >>> json_schema("experiment")["required"]
    ['name']
    """
    schema = _MODELS[kind].model_json_schema()
    for definition in (schema, *schema.get("$defs", {}).values()):
        _describe(definition, _models()[definition["title"]])
    _allow_partial_choices(schema)
    if kind == "experiment":
        _allow_plugins(schema["properties"])
    if kind == "experiment":
        extends = {"type": "string", "description": "Experiment file to inherit from, relative to this file."}
        schema["properties"] = {EXTENDS: extends, **schema["properties"]}
    else:
        schema["required"] = ["kind", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@cache
def field_notes(model: type[SpecModel]) -> dict[str, str]:
    """Field -> the docstring beneath it in the source, in one line; fields without one are absent.

    >>> from ablab.spec.experiment import Conformer
    >>> field_notes(Conformer)["d_inner"]
    'Width of the feed-forward modules.'
    """
    notes: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, SpecModel):
            notes |= _own_notes(base)
    return {field: note for field, note in notes.items() if field in model.model_fields}


def _own_notes(model: type[SpecModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    notes: dict[str, str] = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(value=ast.Constant(value=str() as note)):
                    notes[field.target.id] = " ".join(note.split())
    return notes


def _models() -> dict[str, type[SpecModel]]:
    found: dict[str, type[SpecModel]] = {}
    waiting: list[type[SpecModel]] = [SpecModel]
    while waiting:
        model = waiting.pop()
        found.setdefault(model.__name__, model)
        waiting += model.__subclasses__()
    return found


def _describe(definition: dict[str, Any], model: type[SpecModel]) -> None:
    for name, note in field_notes(model).items():
        definition["properties"][name].setdefault("description", note)


def _allow_plugins(properties: dict[str, Any]) -> None:
    """Beside the built-in kinds of model any other: which keys it has, only an installed package knows."""
    other = {"type": "string", "not": {"const": Conformer.model_fields["kind"].default}}
    installed = {"type": "object", "required": ["kind"], "properties": {"kind": other}}
    described = properties["model"]
    built_in = {"$ref": described.pop("$ref")}
    properties["model"] = {"anyOf": [built_in, installed], **described}


def _allow_partial_choices(schema: Any) -> None:
    """``oneOf`` as ``anyOf``: a block without ``kind`` fits several kinds, and the file is right."""
    if isinstance(schema, dict):
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
            schema.pop("discriminator", None)
        for entry in schema.values():
            _allow_partial_choices(entry)
    elif isinstance(schema, list):
        for entry in schema:
            _allow_partial_choices(entry)
