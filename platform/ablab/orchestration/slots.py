"""Which GPUs a trial gets, and which trial is next: pure, on names of GPUs and expected seconds.

A GPU is whole or shared: a trial of several processes has each on a GPU of its own, several small ones share
one. Shares are exact fractions, so that four quarters fill a GPU and never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Need:
    """What a waiting trial asks for."""

    gpus: Fraction
    """A whole number, or 1/n of one GPU."""
    seconds: float
    """Expected duration."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a running trial holds."""

    gpus: tuple[str, ...]
    share: Fraction
    """Of each of them."""
    seconds_left: float
    """Expected; one that takes longer than expected may end any moment, so 0."""


def share_of(gpus_per_trial: float) -> Fraction:
    """A number of GPUs as it was written, exactly.

    >>> share_of(4), share_of(0.25), share_of(0.33)
    (Fraction(4, 1), Fraction(1, 4), Fraction(1, 3))
    """
    if gpus_per_trial >= 1 or gpus_per_trial == 0:
        return Fraction(round(gpus_per_trial))
    return Fraction(1, round(1 / gpus_per_trial))


def fitting(gpus: Sequence[str], taken: Iterable[Taken], need: Fraction) -> tuple[str, ...] | None:
    """GPUs for a trial, in the order of ``gpus``; None where there is no room.

    A share goes to the fullest GPU that has room for it: whole ones are left for those that need them.

    >>> fitting(("0", "1", "2"), [Taken(("0",), Fraction(1, 2), 1.0)], Fraction(2))
    ('1', '2')
    >>> fitting(("0", "1", "2"), [Taken(("1",), Fraction(1, 2), 1.0)], Fraction(1, 2))
    ('1',)
    """
    free = dict.fromkeys(gpus, Fraction(1))
    for each in taken:
        for gpu in each.gpus:
            free[gpu] -= each.share
    if need == 0:
        return ()
    if need >= 1:
        whole = [gpu for gpu in gpus if free[gpu] == 1]
        return tuple(whole[: int(need)]) if len(whole) >= need else None
    roomy = [gpu for gpu in gpus if free[gpu] >= need]
    return (min(roomy, key=lambda gpu: free[gpu]),) if roomy else None


def next_one(
    gpus: Sequence[str], taken: Sequence[Taken], waiting: Sequence[Need]
) -> tuple[int, tuple[str, ...]] | None:
    """Index and GPUs of the waiting trial to start now; None where none is to.

    The longest comes first (of equally long ones the largest, then the first): what is long and starts late
    is what a grid waits for at its end. Where it does not fit, the GPUs that will be free for it first are
    reserved, and others may start that use other GPUs, or are expected to be over by then: a large trial
    waits for no stream of small ones, and holds up none that do not stand in its way.
    """
    order = sorted(range(len(waiting)), key=lambda i: (-waiting[i].seconds, -waiting[i].gpus, i))
    if not order:
        return None
    first, *others = order
    found = fitting(gpus, taken, waiting[first].gpus)
    if found is not None:
        return first, found
    reserved, seconds = _reservation(gpus, taken, waiting[first].gpus)
    for other in others:
        found = _beside(gpus, taken, waiting[other], reserved, seconds)
        if found is not None:
            return other, found
    return None


def _reservation(gpus: Sequence[str], taken: Sequence[Taken], need: Fraction) -> tuple[frozenset[str], float]:
    """The GPUs that will be free for a need first, and when."""
    left = sorted(taken, key=lambda each: each.seconds_left)
    while left:
        seconds = left.pop(0).seconds_left
        found = fitting(gpus, left, need)
        if found is not None:
            return frozenset(found), seconds
    return frozenset(gpus), float("inf")


def _beside(
    gpus: Sequence[str], taken: Sequence[Taken], need: Need, reserved: frozenset[str], seconds: float
) -> tuple[str, ...] | None:
    outside = [gpu for gpu in gpus if gpu not in reserved]
    found = fitting(outside, _part_on(outside, taken), need.gpus)
    if found is None and need.seconds < seconds:
        found = fitting(gpus, taken, need.gpus)
    return found


def _part_on(gpus: Sequence[str], taken: Iterable[Taken]) -> list[Taken]:
    """What is held of these GPUs alone."""
    names = frozenset(gpus)
    parts = (
        Taken(tuple(gpu for gpu in each.gpus if gpu in names), each.share, each.seconds_left)
        for each in taken
    )
    return [part for part in parts if part.gpus]
