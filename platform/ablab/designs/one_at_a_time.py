"""The reference cell, and every level of every factor alone."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.spec.experiment import Level


def one_at_a_time(factors: Mapping[str, tuple[Level, ...]]) -> tuple[dict[str, Level], ...]:
    """The reference, then each further level of each factor with all others at their reference.

    Equals ``add_one_in`` where every factor has two levels.

    >>> one_at_a_time({"a": (1, 2, 3), "b": (4, 5)})
    ({'a': 1, 'b': 4}, {'a': 2, 'b': 4}, {'a': 3, 'b': 4}, {'a': 1, 'b': 5})
    """
    reference = {key: levels[0] for key, levels in factors.items()}
    alone = ({**reference, key: level} for key, levels in factors.items() for level in levels[1:])
    return (reference, *alone)
