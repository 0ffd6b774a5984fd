"""What a report is made of: sections, each with sentences, plots and tables."""

from __future__ import annotations

from dataclasses import dataclass

from ablab.reporting.plots.svg import Plot


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; numbers stand to the right, words to the left."""

    name: str
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first cell of a row names the row."""

    name: str
    """Plain name, for file names and references: ``cells``."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What one has to know to read it; stands beneath."""
    marked: frozenset[int] = frozenset()
    """Rows that stand out: the declared contrast."""
    is_prose: bool = False
    """Whether its cells are sentences and names rather than numbers; a paper has no use for it as a table."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a report."""

    name: str
    """Plain name, for links: ``main-effects``."""
    title: str
    text: tuple[str, ...] = ()
    """Paragraphs."""
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()
    code: str = ""
    """A command or file to copy."""
    code_title: str = ""
    """Where the code is folded away, what it is."""
    is_open: bool = False
    """Whether the tables are shown at once, there being no plot that says the same."""


def words(*names: str) -> tuple[Column, ...]:
    """Columns of words."""
    return tuple(Column(name, is_number=False) for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(name) for name in names)
