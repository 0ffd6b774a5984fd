"""The report's tables for a paper: booktabs, to be taken in with ``\\input`` or copied one by one."""

from __future__ import annotations

from ablab.comparison.study_report import StudyReport
from ablab.reporting.study.parts import Table
from ablab.reporting.study.sections import sections
from ablab.reporting.study.summary import summary

MOST_ROWS = 60
"""Rows of a table; a page of a paper holds no more."""

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # behind a line's end it would open an option
    "−": "$-$",
    "–": "--",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "…": r"\ldots{}",
}

_HEAD = r"""%% %(answer)s
%% Tables of study %(study)s. In the preamble:
%%   \usepackage[T1]{fontenc} \usepackage{booktabs} \usepackage{graphicx}
"""


def render(report: StudyReport) -> str:
    """All tables of numbers, the two arms first."""
    head = summary(report)
    tables = [head.arms] if head.arms else []
    tables += [table for section in sections(report) for table in section.tables if not table.is_prose]
    comment = " ".join(head.answer.sentence.split())
    return _HEAD % {"answer": comment, "study": report.comparison.study} + "\n".join(map(environment, tables))


def environment(table: Table) -> str:
    """One table; wider than the text it is made to fit, never larger than it is."""
    columns = "".join("r" if column.is_number else "l" for column in table.columns)
    rows = [" & ".join(f"{escaped(cell)}" for cell in row) for row in table.rows[:MOST_ROWS]]
    head = " & ".join(escaped(column.name) for column in table.columns)
    hidden = len(table.rows) - MOST_ROWS
    note = f"{table.note} ({hidden} more rows left out.)" if hidden > 0 else table.note
    caption = f"{table.caption}. {note}".rstrip() if note else f"{table.caption}."
    body = "\n".join(f"{row} \\\\" for row in rows)
    return rf"""
\begin{{table}}[htbp]
\centering
\caption{{{escaped(caption)}}}
\label{{tab:{table.name}}}
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{@{{}}{columns}@{{}}}}
\toprule
{head} \\
\midrule
{body}
\bottomrule
\end{{tabular}}}}
\end{{table}}
"""


def escaped(text: str) -> str:
    """Text that means itself; a character that pdflatex does not know stands as its code.

    >>> escaped("50 % of a_b & c·d"), escaped("−0.01 ☃")
    ('50 \\\\% of a\\\\_b \\\\& c$\\\\cdot$d', '$-$0.01 [U+2603]')
    """
    return "".join(_sign(sign) for sign in text)


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    if not sign.isprintable():
        return " "
    return sign if ord(sign) < 0x180 and sign not in "¤¦ˆ" else f"[U+{ord(sign):04X}]"
