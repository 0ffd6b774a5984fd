"""YAML text as a tree of plain values, each with the place where it was written.

YAML is data here: tags, merge keys and duplicate keys are refused, scalars follow the YAML 1.2 core
schema (``1e-3`` is a number, ``yes`` is a string). Knows nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from ablab.errors import Problem, SpecError

Scalar = str | int | float | bool | None

_MOST_NODES = 20_000
"""A spec has some hundred; aliases of aliases reach billions within a few lines."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_CONSTANTS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a key or a list item stands."""

    source: str
    """The file as the user named it, or ``--set``."""
    line: int | None
    """1-based; None in an override."""

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A value and the mark of the key (or list item) that it stands behind."""

    value: Scalar | tuple[Tree, ...] | dict[str, Tree]
    mark: Mark

    def get(self, key: str) -> Tree | None:
        """The entry of a mapping; None where this is no mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at(self, key: str) -> Tree | None:
        """The entry behind a dotted key, through nested mappings."""
        found: Tree | None = self
        for part in key.split("."):
            found = found.get(part) if found else None
        return found

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Tree]]:
        """Every value that is not a mapping, with its dotted key."""
        if isinstance(self.value, dict):
            for key, entry in self.value.items():
                yield from entry.leaves(f"{prefix}.{key}" if prefix else key)
        else:
            yield prefix, self

    def plain(self) -> Any:
        """The value without its marks: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        return self.value


def tree_of(value: Any, mark: Mark) -> Tree:
    """Plain dicts, lists, tuples and scalars as a tree whose parts all stand at ``mark``."""
    if isinstance(value, Mapping):
        return Tree({str(key): tree_of(entry, mark) for key, entry in value.items()}, mark)
    if isinstance(value, list | tuple):
        return Tree(tuple(tree_of(item, mark) for item in value), mark)
    return Tree(value, mark)


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, and the faults that did not keep it from being read."""

    tree: Tree
    problems: tuple[Problem, ...]


def read_file(path: Path) -> Document:
    """Read a YAML file; a syntax error, bytes that are not UTF-8 or an empty file raise SpecError alone."""
    source = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = "is a folder, not a file" if path.is_dir() else f"cannot be read: {error.strerror}"
        raise SpecError([Problem(source, None, "", reason)]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise SpecError([Problem(source, line, "", reason)]) from error
    return read_text(text, source)


def read_text(text: str, source: str, *, numbered: bool = True) -> Document:
    """Read YAML text that stands in ``source``; without line numbers where not ``numbered``.

    >>> read_text("a: {b: 1e-3}", "x.yaml").tree.plain()
    {'a': {'b': 0.001}}
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None and numbered else None
        raise SpecError([Problem(source, line, "", _syntax_reason(error))]) from error
    except ReaderError as error:
        # ruamel counts from the start of its buffer, which for a string is the whole text.
        line = text.count("\n", 0, error.position) + 1 if numbered else None
        code = error.character if isinstance(error.character, int) else ord(error.character)
        reason = f"the control character 0x{code:02x} may not stand in YAML; delete it"
        raise SpecError([Problem(source, line, "", reason)]) from error
    except (YAMLError, RecursionError, ValueError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not YAML: {error}"
        raise SpecError([Problem(source, None, "", reason)]) from error
    if node is None:
        raise SpecError([Problem(source, 1 if numbered else None, "", "is empty")])
    walk = _Walk(text, source, numbered, [])
    tree = walk.tree(node, walk.mark(node), "", ())
    return Document(tree, tuple(walk.problems))


def scalar(text: str) -> Scalar:
    """What an unquoted scalar means under the YAML 1.2 core schema.

    >>> [scalar(text) for text in ("yes", "true", "1e-3", "012", "0x1f", "2024-01-01", "~")]
    ['yes', True, 0.001, 12, 31, '2024-01-01', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float("-inf" if text.startswith("-") else "inf")
    return text


def _syntax_reason(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "").strip()
    if r"'\t'" in problem:
        return "a tab stands where YAML wants spaces; indent with spaces"
    if "another document" in problem:
        return "a second document begins here ('---'); a spec is one document"
    if "mapping values are not allowed" in problem:
        return "is not YAML: a ':' where no key can stand; check the indentation, or quote the text"
    if "unexpected end of stream" in problem:
        return "is not YAML: a quote or bracket is not closed"
    context = f" {error.context}" if error.context else ""
    return f"is not YAML: {problem}{context}"


@dataclass(slots=True)
class _Walk:
    """One walk over the nodes of a text, collecting faults."""

    text: str
    source: str
    numbered: bool
    problems: list[Problem]
    nodes: int = 0

    def mark(self, node: Any) -> Mark:
        return Mark(self.source, node.start_mark.line + 1 if self.numbered else None)

    def report(self, node: Any, key: str, reason: str) -> None:
        self.problems.append(Problem(self.source, self.mark(node).line, key, reason))

    def tree(self, node: Any, mark: Mark, key: str, above: tuple[int, ...]) -> Tree:
        self.nodes += 1
        if self.nodes > _MOST_NODES or id(node) in above:
            reason = "an alias (*) refers to itself, or aliases multiply without end; write the value out"
            raise SpecError([*self.problems, Problem(self.source, mark.line, key, reason)])
        tag = re.match(r"(?:&\S+\s+)?(!\S*)", self.text[node.start_mark.index :])
        if tag:
            reason = f"YAML tag '{tag[1]}' is refused: a spec is plain data; write the value without the tag"
            self.report(node, key, reason)
            return Tree(None, mark)
        inside = (*above, id(node))
        if isinstance(node, ScalarNode):
            return Tree(self.scalar(node, key), mark)
        if isinstance(node, SequenceNode):
            items = enumerate(node.value)
            return Tree(
                tuple(self.tree(item, self.mark(item), f"{key}[{index}]", inside) for index, item in items),
                mark,
            )
        assert isinstance(node, MappingNode), node
        return Tree(self.mapping(node, key, inside), mark)

    def scalar(self, node: Any, key: str) -> Scalar:
        text = str(node.value)
        if node.style:
            return text
        try:
            return scalar(text)
        except ValueError:
            self.report(node, key, f"a number with {len(text)} digits cannot be read")
            return None

    def mapping(self, node: Any, key: str, above: tuple[int, ...]) -> dict[str, Tree]:
        entries: dict[str, Tree] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, ScalarNode):
                self.report(name_node, key, "a key must be plain text, not a list or mapping")
                continue
            name = str(name_node.value)
            inner = f"{key}.{name}" if key else name
            if name == "<<" and not name_node.style:
                reason = "merge keys are refused: their values have no line; write them out, or use 'extends'"
                self.report(name_node, inner, reason)
            elif name in entries:
                first = entries[name].mark.line
                where = f" (first in line {first})" if first is not None else ""
                self.report(name_node, inner, f"duplicate key{where}")
            else:
                entries[name] = self.tree(value_node, self.mark(name_node), inner, above)
        return entries
