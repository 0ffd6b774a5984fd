"""Small JSON files in the cache: read what is whole, write so that no reader sees half a file."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """The file's value; None where it is absent or not whole (a cache can always be computed again)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write to a name of this call's own, then rename over ``path``: threads may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    own.write_text(json.dumps(value), encoding="utf-8")
    own.replace(path)
