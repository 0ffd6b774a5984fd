"""Commands and links of README and docs/*.md, as a reader would take them from the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "specs.md"),
)
"""All pages with commands; docs/specs.md is written by one."""

PROGRAMS = (
    "ablab",
    "make",
    "python",
    "optuna-dashboard",
    "docker",
    "curl",
    "mlflow",
    "ray",
    "pip",
    "git",
    "cp",
)
"""A line of a code block that begins with one of these words is a command."""

_ENVIRONMENT = re.compile(r"(?:[A-Z_]+=\S+ )*")
"""Variables that a command line sets for itself."""

_ABLAB_ELSEWHERE = re.compile(r"\.venv/bin/(ablab .*)")
"""The command within a line of a crontab or of a systemd unit."""


def commands(text: str) -> Iterator[str]:
    """Commands of all code blocks in their order, continuation lines joined, comments taken off.

    >>> list(commands("    ablab grid plan FILE     what would run\\n    ablab ui  # on 5000\\nablab is"))
    ['ablab grid plan FILE', 'ablab ui']
    """
    lines = iter(_code(text))
    for line in lines:
        command = line.strip().removeprefix("$ ")
        elsewhere = _ABLAB_ELSEWHERE.search(command)
        if elsewhere is not None:
            command = elsewhere[1]
        program = command[_ENVIRONMENT.match(command).end() :].partition(" ")[0]
        if program not in PROGRAMS:
            continue
        while command.endswith("\\"):
            command = f"{command[:-1].rstrip()} {next(lines).strip()}"
        yield re.split(r"\s+#\s|\s{3,}", command)[0].strip()


def documented(beginning: str) -> str:
    """The one command of all pages that begins so, for a test that runs it as it stands there."""
    found = {
        command
        for page in PAGES
        for command in commands(page.read_text(encoding="utf-8"))
        if command.startswith(beginning)
    }
    assert len(found) == 1, f"{beginning}: {sorted(found)}"
    return found.pop()


def spans(text: str) -> list[str]:
    """Commands that stand within a sentence or a table.

    >>> spans("The last line is `ablab report`, see `grid run`.")
    ['ablab report']
    """
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    prose = "\n".join(line for line in prose.splitlines() if not line.startswith("    "))
    return [" ".join(found.split()) for found in re.findall(r"`(ablab [^`]+)`", prose)]


def _code(text: str) -> Iterator[str]:
    is_fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            yield line
