"""The declared contrast with stimuli in the place of subjects: does it hold for other speech than this?

Stimuli are a fixed factor of the primary test: both arms decode the same ones, and the interval says
nothing about others. Where every test stimulus was held out of training whole, and there are at least five,
differences can be averaged over subjects within each stimulus instead, and stimuli tested as the random
factor crossed with seeds: Clark's (1973) analysis by items. It is a sensitivity line; the verdict stays
that over subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.comparison.mean_test import mean_test
from ablab.comparison.sensitivity import Sensitivity

FEWEST = 5
"""Stimuli; fewer show as little of how stimuli differ as fewer than five seeds do of seeds."""

SAME = 0.99
"""Correlation above which two envelopes are of one stimulus, whatever their scale; the leakage guard's."""

NAME = "crossed quasi-t over stimuli and seeds (by items)"

Recording = tuple[str, str]
"""Subject, and name of the recording."""


@dataclass(frozen=True, slots=True)
class Items:
    """Test scores per recording of the runs of both arms, and which stimulus each recording carries."""

    scores: Mapping[str, Mapping[Recording, float]]
    """Run id -> recording -> r, mean over its segments."""
    stimulus: Mapping[Recording, int]
    """Recording -> number of its stimulus."""

    @property
    def n_stimuli(self) -> int:
        """Different stimuli."""
        return len(set(self.stimulus.values()))


def same_stimuli(targets: Mapping[Recording, NDArray[np.float64]]) -> dict[Recording, int]:
    """Number the stimuli; envelopes, ``(n_times,)``, that differ in scale or end alone are of one stimulus.

    >>> a, b = np.array([0.0, 1.0, 0.0, 2.0]), np.array([3.0, 0.0, 0.0, 1.0])
    >>> same_stimuli({("s1", "x"): a, ("s2", "y"): 2 * a - 1, ("s1", "z"): b})
    {('s1', 'x'): 0, ('s2', 'y'): 0, ('s1', 'z'): 1}
    """
    kinds: list[NDArray[np.float64]] = []
    found: dict[Recording, int] = {}
    for recording, target in targets.items():
        number = next((n for n, kind in enumerate(kinds) if _is_same(kind, target)), len(kinds))
        if number == len(kinds):
            kinds.append(target)
        found[recording] = number
    return found


def by_items(
    items: Items,
    treatment: Mapping[int, str],
    reference: Mapping[int, str],
    subjects: Sequence[str],
    alpha: float,
) -> Sensitivity | str:
    """The line; as text why there is none.

    treatment, reference: seed -> run id. subjects: those of the declared contrast. A stimulus counts once
    per seed, as the mean over the subjects that were scored on it in all those runs.
    """
    if items.n_stimuli < FEWEST:
        return f"no analysis by items: {items.n_stimuli} test stimuli, {FEWEST} are needed"
    seeds = sorted(treatment.keys() & reference.keys())
    runs = [(items.scores.get(treatment[s], {}), items.scores.get(reference[s], {})) for s in seeds]
    common = set(items.stimulus).intersection(*(scores.keys() for pair in runs for scores in pair))
    wanted = [recording for recording in sorted(common) if recording[0] in set(subjects)]
    if not seeds or not wanted:
        return "no analysis by items: the runs' predictions have no recording in common"
    differences = np.array([[ours[r] - theirs[r] for ours, theirs in runs] for r in wanted])
    numbers = np.array([items.stimulus[recording] for recording in wanted])
    kept = np.unique(numbers)
    if len(kept) < FEWEST:
        return f"no analysis by items: {len(kept)} test stimuli were scored in all runs, {FEWEST} are needed"
    test = mean_test(np.stack([differences[numbers == n].mean(axis=0) for n in kept]), alpha, "pooled")
    if test.name != "crossed quasi-t":
        return Sensitivity(NAME, "sensitivity", "r", test.mean, refused=test.refused)
    return Sensitivity(
        NAME,
        "sensitivity",
        "r",
        test.mean,
        test.ci_low,
        test.ci_high,
        test.p_value,
        f"generalises over {len(kept)} held-out stimuli and the seeds, not over subjects",
    )


def _is_same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Correlation over the shorter one's length; lengths may differ by one part in twenty."""
    n = min(len(one), len(other))
    if n < 2 or n < 0.95 * max(len(one), len(other)):
        return False
    a, b = one[:n] - one[:n].mean(), other[:n] - other[:n].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return size > 0 and float(a @ b) / size > SAME
