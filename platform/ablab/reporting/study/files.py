"""The files of a report: one per format, and the bundle to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ablab.comparison.study_report import StudyReport
from ablab.errors import InputError

HTML, MARKDOWN, LATEX, CSV = "report.html", "report.md", "report.tex", "scores.csv"

FORMATS: Mapping[str, str] = {"html": HTML, "md": MARKDOWN, "tex": LATEX, "csv": CSV}
"""Format -> the file's name."""


def formats(text: str) -> tuple[str, ...]:
    """The formats in ``html,md``; InputError where one is not known.

    >>> formats("html, csv")
    ('html', 'csv')
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in named if name not in FORMATS]
    if unknown or not named:
        what = f"no format {unknown[0]!r}" if unknown else "names no format"
        raise InputError(f"--format: {what} (there are: {', '.join(FORMATS)}; several with commas between)")
    return named


def write(report: StudyReport, folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Write the report in these formats, each file whole or not at all; returns the files."""
    texts = {FORMATS[name]: _renderer(name)(report) for name in names}
    return write_texts(folder, texts)


def write_texts(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write texts under their relative names; InputError where the folder cannot be written."""
    files = []
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f"{file.name}.new")
            new.write_text(text, encoding="utf-8", newline="\n")
            new.replace(file)
            files.append(file)
    except OSError as error:
        raise InputError(f"{folder}: the report cannot be written there ({error.strerror})") from error
    return tuple(files)


def _renderer(name: str) -> Callable[[StudyReport], str]:
    """Renderers are imported when they are used: a table for a paper loads no page templates."""
    if name == "html":
        from ablab.reporting.study.html import render
    elif name == "md":
        from ablab.reporting.study.markdown import render
    elif name == "tex":
        from ablab.reporting.study.latex import render
    else:
        from ablab.reporting.study.tidy import render
    return render
