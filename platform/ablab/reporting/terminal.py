"""Comparison -> terminal: one line of verdict, one table, the lines beneath it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ablab.comparison import figures, verdicts
from ablab.comparison.values import Comparison, Row
from ablab.reporting.lines import lines, next_commands, p_value

ROWS_SHOWN = 16
"""A table longer than this needs ``--all``; a 3 x 2 x 2 design with its 12 cells does not."""

FILE_WIDTH = 100
"""Columns of the text of a report that does not go to a terminal."""

GAP = 2
"""Spaces between columns."""

NAME_WIDTH = 8
"""Of the names of the lines beneath the table, the longest being "verdicts" and "left out"."""

STYLES = {"improved": "green", "worse": "red", "equivalent": "cyan"}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    text: Callable[[Row], str]
    left: bool = False


_LEAST = 6
"""Columns that are never dropped, however narrow the terminal."""


def print_comparison(
    comparison: Comparison, console: Console | None = None, *, everything: bool = False
) -> None:
    """Print a comparison to a console, by default to standard output.

    everything: all rows, and every left-out run by name.
    """
    console = console or Console(highlight=False)
    width = console.width if console.is_terminal else None
    # soft_wrap: a table that is wider than the terminal is wrapped by it, never cropped.
    console.print(render(comparison, width, everything=everything), soft_wrap=True)


def render(comparison: Comparison, width: int | None = None, *, everything: bool = False) -> Text:
    """The whole report, without a newline at its end.

    width: columns to fit into; the rightmost columns of the table are dropped, and named, where it is wider.
    None for a file: the whole table, and text of ``FILE_WIDTH``.
    """
    rows = comparison.rows if everything else comparison.rows[:ROWS_SHOWN]
    columns = _columns(comparison)
    kept = columns if width is None else _fitting(columns, rows, width)
    width = width or FILE_WIDTH
    parts = [*_wrapped(verdicts.headline(comparison), width, style="bold"), *_table(kept, rows)]
    if hidden := len(comparison.rows) - len(rows):
        parts.append(Text(f"... {hidden} more: --all", style="dim"))
    if dropped := columns[len(kept) :]:
        names = ", ".join(column.name for column in dropped)
        parts += _wrapped(f"not shown in {width} columns: {names} (--format csv)", width, style="dim")
    commands = next_commands(comparison)
    for name, text in lines(comparison, everything=everything, next_commands=commands):
        parts += _wrapped(text, width, name=name)
    return Text("\n").join(parts)


def _columns(comparison: Comparison) -> tuple[_Column, ...]:
    """The number of seeds has a column where it is not the same for all."""
    several = len({row.n_seeds for row in comparison.rows}) > 1
    seeds = (_Column("seeds", lambda row: str(row.n_seeds)),) if several else ()
    return (
        _Column("cell", lambda row: verdicts.compact(row.label), left=True),
        *seeds,
        _Column("r" if comparison.per_subject_scores else "mean", lambda row: figures.plain(row.own.mean)),
        _Column("delta", lambda row: figures.signed(row.effect.test.mean if row.effect else None)),
        _Column(f"{figures.level(comparison.alpha)} CI", _interval),
        _Column("p", p_value),
        _Column("verdict", lambda row: verdicts.label(row.verdict), left=True),
        _Column("ratio", lambda row: figures.plain(row.gradient_ratio, 3)),
        _Column("drift", lambda row: figures.plain(row.drift, 3)),
        _Column("param", lambda row: figures.count(row.parameters)),
        _Column("time", lambda row: figures.duration(row.seconds)),
    )


def _fitting(columns: tuple[_Column, ...], rows: Sequence[Row], width: int) -> tuple[_Column, ...]:
    kept = columns
    while len(kept) > _LEAST and sum(_widths(kept, rows)) + GAP * (len(kept) - 1) > width:
        kept = kept[:-1]
    return kept


def _widths(columns: Sequence[_Column], rows: Sequence[Row]) -> list[int]:
    return [max(cell_len(text) for text in (c.name, *(c.text(row) for row in rows))) for c in columns]


def _table(columns: Sequence[_Column], rows: Sequence[Row]) -> list[Text]:
    widths = _widths(columns, rows)

    def line(texts: Sequence[str]) -> str:
        padded = []
        for column, text, width in zip(columns, texts, widths, strict=True):
            space = " " * (width - cell_len(text))
            padded.append(text + space if column.left else space + text)
        return (" " * GAP).join(padded).rstrip()

    header = Text(line([column.name for column in columns]), style="dim")
    return [header, *(Text(line([column.text(row) for column in columns]), _style(row)) for row in rows)]


def _style(row: Row) -> str:
    return "" if row.verdict.exploratory else STYLES.get(row.verdict.kind, "")


def _interval(row: Row) -> str:
    if row.effect is None:
        return figures.NONE
    return figures.interval(row.effect.test.ci_low, row.effect.test.ci_high)


def _wrapped(text: str, width: int, *, name: str | None = None, style: str = "") -> list[Text]:
    """Text on as many lines as it takes, beneath each other behind the name."""
    indent = "" if name is None else " " * (NAME_WIDTH + GAP)
    wrapped = textwrap.wrap(
        text,
        max(width - len(indent), 20),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    found = [Text(indent + part, style=style) for part in wrapped]
    if name is not None:
        found[0] = Text.assemble((name.ljust(NAME_WIDTH + GAP), "bold"), wrapped[0])
    return found
