"""ablab: the ablation laboratory for EEG speech decoding.

For notebooks: ``ablab.load_study("quickstart")``, see docs/python_api.md. It is imported when it is first
asked for, so that ``import ablab`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ablab.notebooks import load_study

__version__ = "0.1.0"

__all__ = ["load_study"]


def __getattr__(name: str) -> object:
    if name == "load_study":
        from ablab.notebooks import load_study

        return load_study
    raise AttributeError(f"module 'ablab' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
