"""The full cell, and the full cell with one factor taken back."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.spec.experiment import Level


def leave_one_out(factors: Mapping[str, tuple[Level, ...]]) -> tuple[dict[str, Level], ...]:
    """The reference, the full cell, then for each factor the full cell with it at its reference level.

    Asks what each factor contributes in the presence of the others.

    >>> leave_one_out({"a": (1, 2, 3), "b": (4, 5)})
    ({'a': 1, 'b': 4}, {'a': 3, 'b': 5}, {'a': 1, 'b': 5}, {'a': 3, 'b': 4})
    """
    reference = {key: levels[0] for key, levels in factors.items()}
    full = {key: levels[-1] for key, levels in factors.items()}
    return (reference, full, *({**full, key: reference[key]} for key in factors))
