"""The report as Markdown for a pull request: the answer and its table in sight, the rest folded away."""

from __future__ import annotations

import re

from ablab.comparison.study_report import StudyReport
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.sections import sections
from ablab.reporting.study.summary import summary

MOST_CHARACTERS = 65_000
"""GitHub refuses a comment of more than 65,536."""

MOST_ROWS = 40
"""Rows of a table in a folded section."""


def render(report: StudyReport) -> str:
    """The whole report; sections that would make it too long are named instead."""
    head = summary(report)
    parts = [
        f"## {escaped(head.answer.sentence)}",
        f"**{escaped(head.banner)}** {escaped(head.study)} · {head.facts}",
    ]
    parts += [f"> {escaped(remark)}" for remark in head.answer.remarks]
    if head.arms:
        parts.append(_table(head.arms))
    parts.append("**Holds for** " + " · ".join(f"{name}: {escaped(holds)}" for name, holds in head.scope))
    if head.recommendation:
        parts.append("**Recommendation** " + " ".join(map(escaped, head.recommendation)))
    text = "\n\n".join(parts) + "\n"
    left_out = []
    for section in sections(report):
        folded = _section(section)
        if len(text) + len(folded) > MOST_CHARACTERS - 2_000:
            left_out.append(section.title)
            continue
        text += f"\n{folded}"
    if left_out:
        text += f"\nToo long for here, in report.html: {', '.join(left_out)}.\n"
    return text


def _section(section: Section) -> str:
    parts = [escaped(paragraph) for paragraph in section.text]
    if section.code:
        parts.append(_fenced(section.code))
    for table in section.tables:
        parts.append(f"**{escaped(table.caption)}**\n\n{_table(table)}")
    body = "\n\n".join(parts)
    return f"<details><summary>{escaped(section.title)}</summary>\n\n{body}\n\n</details>\n"


def _table(table: Table) -> str:
    lines = [[column.name for column in table.columns]]
    lines.append(["---:" if column.is_number else "---" for column in table.columns])
    cells = [[escaped(cell) for cell in row] for row in table.rows[:MOST_ROWS]]
    for place in table.marked:
        if place < len(cells):
            cells[place] = [f"**{cell}**" if cell else "" for cell in cells[place]]
    text = "\n".join(f"| {' | '.join(line)} |" for line in [[escaped(n) for n in lines[0]], lines[1], *cells])
    hidden = len(table.rows) - MOST_ROWS
    notes = [escaped(table.note)] if table.note else []
    notes += [f"{hidden} more rows in report.html."] if hidden > 0 else []
    return "\n\n".join([text, *notes])


def _fenced(code: str) -> str:
    """A code block whose fence is longer than any row of backticks in it."""
    longest = max((len(ticks) for ticks in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{code}\n{fence}"


def escaped(text: str) -> str:
    r"""Text that means itself in GitHub's Markdown, on one line; no tag, no mention, no reference.

    >>> escaped("a|b_c <script> @all #1")
    'a\\|b\\_c &lt;script&gt; @\u200ball #\u200b1'
    """
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_|~]|\](?=[(\[:]))", r"\\\1", text)
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", text)
