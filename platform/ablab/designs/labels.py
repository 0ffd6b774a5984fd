"""What a cell is called: its id, for files, tags and options, and its label, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ablab.spec.experiment import Level
from ablab.spec.writing import yaml_value

RESERVED = frozenset({"study", "cell", "seed", "key", "role"})
"""Tags of every run; a factor whose last part is one of these goes by its whole key."""


def short_names(factors: Iterable[str]) -> dict[str, str]:
    """Spec key -> its last part, or the whole key where two collide or the part is reserved.

    >>> short_names(["improvements.residual", "dataset.seed"])
    {'improvements.residual': 'residual', 'dataset.seed': 'dataset.seed'}
    """
    keys = tuple(factors)
    uses = Counter(_last(key) for key in keys)
    return {key: key if uses[_last(key)] > 1 or _last(key) in RESERVED else _last(key) for key in keys}


def cell_id(factors: Mapping[str, Level]) -> str:
    """The id of a cell, in the order of the factors.

    >>> cell_id({"improvements.residual": "gated", "improvements.gradient_scale": 2.0})
    'residual=gated,gradient_scale=2.0'
    """
    names = short_names(factors)
    return ",".join(f"{names[key]}={_compact(value)}" for key, value in factors.items())


def label(factors: Mapping[str, Level]) -> str:
    """The short form of a cell.

    >>> label({"improvements.residual": "gated", "improvements.mlp_head": True, "training.epochs": 20})
    'gated · mlp · epochs=20'
    """
    names = short_names(factors)
    return " · ".join(_part(key, value, names[key]) for key, value in factors.items())


def _part(key: str, value: Level, name: str) -> str:
    if key == "improvements.residual":
        return str(value)
    if key == "improvements.mlp_head":
        return "mlp" if value else "linear"
    if key == "improvements.gradient_scale" and isinstance(value, int | float):
        return f"gs{value:g}"
    if key == "improvements.gradient_scale_position":
        return f"@{value}"
    return f"{name}={_compact(value)}"


def _compact(value: Level) -> str:
    return yaml_value(value).replace(", ", ",")


def _last(key: str) -> str:
    return key.rpartition(".")[2]
