"""The package of docs/adding_a_model.md, written as pip would leave it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "adding_a_model.md"


def documented(file: str) -> str:
    """The listing that follows the file's name on the page."""
    found = re.search(rf"`{re.escape(file)}`.*?```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def write_package(folder: Path, *, version: str = "1.0", **replaced: str) -> None:
    """The documented package as pip would leave it, with ``replaced`` texts (old -> new) in its modules."""
    entry = re.search(r"tiny = .*", documented("pyproject.toml"))
    assert entry
    info = folder / f"lab_models-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lab-models\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[ablab.models]\n" + entry[0].replace('"', "") + "\n")
    package = folder / "lab_models"
    package.mkdir()
    for name in ("__init__", "decoder"):
        text = documented(f"lab_models/{name}.py")
        for old, new in replaced.items():
            text = text.replace(old, new)
        (package / f"{name}.py").write_text(text)
