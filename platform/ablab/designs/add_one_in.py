"""The reference cell, and the reference cell with one factor fully on."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.spec.experiment import Level


def add_one_in(factors: Mapping[str, tuple[Level, ...]]) -> tuple[dict[str, Level], ...]:
    """The reference, then for each factor the reference with it at its full (last) level.

    Asks what each factor does alone. Levels in between are not trained; ``one_at_a_time`` trains them.

    >>> add_one_in({"a": (1, 2, 3), "b": (4, 5)})
    ({'a': 1, 'b': 4}, {'a': 3, 'b': 4}, {'a': 1, 'b': 5})
    """
    reference = {key: levels[0] for key, levels in factors.items()}
    return (reference, *({**reference, key: levels[-1]} for key, levels in factors.items()))
