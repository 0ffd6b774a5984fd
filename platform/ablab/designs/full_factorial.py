"""Every combination of all levels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from ablab.spec.experiment import Level


def full_factorial(factors: Mapping[str, tuple[Level, ...]]) -> tuple[dict[str, Level], ...]:
    """The last factor varies fastest, so that the reference comes first and the full cell last.

    >>> full_factorial({"a": (1, 2), "b": (3, 4)})
    ({'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2, 'b': 3}, {'a': 2, 'b': 4})
    """
    return tuple(dict(zip(factors, levels, strict=True)) for levels in product(*factors.values()))
