"""Made-up GPUs: who gets which, who is next, and that none is ever given out twice."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import pytest

from ablab.orchestration.slots import Need, Taken, fitting, next_one, share_of

EIGHT = tuple(map(str, range(8)))


def need(gpus: float, seconds: float = 1.0) -> Need:
    return Need(share_of(gpus), seconds)


@dataclass(frozen=True)
class Ran:
    index: int
    gpus: tuple[str, ...]
    began: float
    ended: float


def simulated(gpus: tuple[str, ...], needs: list[Need], takes: list[float] | None = None) -> list[Ran]:
    """The course of a grid: `next_one` fills what is free, then the trial ends that is over first.

    takes: how long each really takes, where that is not what was expected.
    """
    takes = takes or [each.seconds for each in needs]
    waiting, running, done, now = list(range(len(needs))), [], [], 0.0
    while waiting or running:
        while True:
            taken = [
                Taken(
                    each.gpus,
                    min(needs[each.index].gpus, Fraction(1)),
                    max(0.0, each.began + needs[each.index].seconds - now),
                )
                for each in running
            ]
            found = next_one(gpus, taken, [needs[index] for index in waiting])
            if found is None:
                break
            index = waiting.pop(found[0])
            running.append(Ran(index, found[1], now, now + takes[index]))
        assert running, "something waits, and nothing runs"
        first = min(running, key=lambda each: each.ended)
        running.remove(first)
        done.append(first)
        now = first.ended
    return done


@pytest.mark.parametrize(("gpus", "at_once"), [(0.25, 32), (0.5, 16), (1, 8), (2, 4), (3, 2), (4, 2), (8, 1)])
def test_eight_gpus_hold_so_many_trials(gpus: float, at_once: int) -> None:
    course = simulated(EIGHT, [need(gpus)] * 40)
    assert sum(each.began == 0 for each in course) == at_once


def test_a_share_goes_to_the_fullest_gpu_and_leaves_whole_ones_whole() -> None:
    taken = [Taken(("0",), Fraction(1, 4), 1.0), Taken(("1",), Fraction(1, 2), 1.0)]
    assert fitting(("0", "1", "2"), taken, Fraction(1, 4)) == ("1",)
    assert fitting(("0", "1", "2"), taken, Fraction(3, 4)) == ("0",)
    assert fitting(("0", "1", "2"), taken, Fraction(2)) is None


def test_the_longest_starts_first() -> None:
    course = simulated(("0", "1"), [need(1, 1.0)] * 4 + [need(1, 4.0)])
    assert next(each.began for each in course if each.index == 4) == 0.0
    assert max(each.ended for each in course) == 4.0  # in the order given it would be 6


def test_a_large_trial_does_not_starve_behind_small_ones() -> None:
    small = [need(1, 1.0 + index / 100) for index in range(60)]
    course = simulated(("0", "1", "2", "3"), [need(1, 2.0), *small, need(4, 1.9)])
    large = next(each for each in course if each.index == 61)
    assert large.began <= 2.0


def test_a_large_trial_that_waits_holds_up_none_that_is_over_before_it_can_start() -> None:
    course = simulated(("0", "1", "2", "3"), [need(2, 10.0), need(4, 9.0), need(1, 3.0), need(1, 3.0)])
    assert [each.began for each in sorted(course, key=lambda each: each.index)] == [0.0, 10.0, 0.0, 0.0]


def test_a_large_trial_that_waits_holds_up_none_on_gpus_that_it_does_not_need() -> None:
    needs = [need(4, 10.0), need(2, 10.0), need(4, 9.0), need(1, 8.0), need(1, 8.0)]
    course = {each.index: each for each in simulated(EIGHT, needs)}
    assert course[3].began == course[4].began == 0.0
    assert course[2].began == 10.0


def test_what_takes_longer_than_expected_only_delays() -> None:
    needs = [need(1, 5.0), need(1, 5.0), need(2, 4.0), need(1, 3.0)]
    course = {each.index: each for each in simulated(("0", "1"), needs, [5.0, 9.0, 4.0, 3.0])}
    assert course[2].began == 9.0
    assert course[3].began == 13.0


@pytest.mark.parametrize("seed", range(40))
def test_no_gpu_is_given_out_twice_and_every_trial_runs_once(seed: int) -> None:
    rng = random.Random(seed)
    gpus = EIGHT[: rng.randint(1, 8)]
    sizes = [size for size in (1 / 16, 0.2, 0.25, 1 / 3, 0.5, 1, 2, 4, 8) if size <= len(gpus)]
    needs = [need(rng.choice(sizes), rng.choice([1.0, 1.0, 2.5, 7.0])) for _ in range(60)]
    takes = [each.seconds * rng.uniform(0.3, 3.0) for each in needs]
    course = simulated(gpus, needs, takes)
    assert sorted(each.index for each in course) == list(range(60))
    for each in course:
        wanted = needs[each.index].gpus
        assert len(set(each.gpus)) == max(1, wanted)
        held: dict[str, Fraction] = defaultdict(Fraction)
        for other in course:
            if other.began <= each.began < other.ended:
                for gpu in other.gpus:
                    held[gpu] += min(needs[other.index].gpus, Fraction(1))
        assert max(held.values()) <= 1
