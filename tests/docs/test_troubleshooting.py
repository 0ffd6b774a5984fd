"""Every message that the page of troubles quotes is one that the code can print."""

from __future__ import annotations

import ast
import re
from pathlib import Path

QUOTED = re.compile(r"^\| (`+)(.+?)\1 \|", re.MULTILINE)
PAGE = Path("docs") / "troubleshooting.md"


def _texts(root: Path) -> list[str]:
    """Every text of the source, as it is put together: adjacent literals joined, placeholders as a gap."""
    texts = []
    for file in sorted((root / "platform").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                texts.append("".join(map(str, parts)))
    return texts


def test_every_quoted_message_stands_in_the_code(root: Path) -> None:
    found = QUOTED.findall((root / PAGE).read_text(encoding="utf-8"))
    quoted = [text.strip() for _, text in found]
    assert len(quoted) >= 20
    texts = _texts(root)
    assert [message for message in quoted if not any(message in text for text in texts)] == []


def test_the_message_of_a_training_that_diverged_is_quoted_as_it_is_written(root: Path) -> None:
    from ablab.spec.experiment import Training
    from ablab.training.steps import _diverged

    page = " ".join((root / PAGE).read_text(encoding="utf-8").split())
    assert _diverged(float("nan"), 3.1e8, 120, 0.01, Training()) in page


def test_a_message_that_nobody_prints_is_noticed(root: Path) -> None:
    assert not any("the moon is out of date" in text for text in _texts(root))
