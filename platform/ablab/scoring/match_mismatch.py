"""Match or mismatch: which of several stretches of speech was heard, told from the reconstructed envelope.

The two tasks of the auditory EEG challenges (ICASSP 2023 and 2024). A recording is cut into consecutive
windows; the answer for each is the candidate whose envelope correlates best with the prediction. Windows do
not overlap, so that each is a decision of its own and a binomial bound means something.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.scoring.aggregate import by_subject
from ablab.scoring.binomial import guessing_bound
from ablab.scoring.pearson import Signal, unit
from ablab.scoring.segments import is_constant

Candidates = Callable[[NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""A target ``(n_times,)`` -> first sample of each window ``(n,)``, of its imposters ``(n, n_imposters)``."""


@dataclass(frozen=True, slots=True)
class SubjectAccuracy:
    """One subject's decisions."""

    accuracy: float
    n_windows: int
    bound: float
    """What guessing exceeds in at most 5 of 100 tests of as many windows."""
    seen: bool


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Decisions of all subjects; means are over subjects and None where there is none."""

    chance: float
    mean: float | None
    """Over the subjects that were trained on."""
    bound: float | None
    """What guessing exceeds in at most 5 of 100 tests, for ``mean``."""
    mean_unseen: float | None
    bound_unseen: float | None
    subjects: Mapping[str, SubjectAccuracy]
    """Subjects with a window to decide."""
    n_too_short: int
    """Recordings too short for a window and its imposters."""


def imposter_later(n_window: int, n_gap: int) -> Candidates:
    """One imposter, beginning ``n_gap`` samples after the window's end; where the recording is over by then,
    the one that ends ``n_gap`` samples before the window begins (2023: 3 s windows, 1 s apart)."""

    def candidates(target: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = np.arange(0, len(target) - n_window + 1, n_window)
        after, before = first + n_window + n_gap, first - n_window - n_gap
        imposter = np.where(after + n_window <= len(target), after, before)
        usable = imposter >= 0
        return first[usable], imposter[usable, None]

    return candidates


def imposters_elsewhere(n_window: int, n_imposters: int, rng: np.random.Generator) -> Candidates:
    """Imposters drawn among the recording's other windows, without replacement (2024: 5 s, four of them)."""

    def candidates(target: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = np.arange(0, len(target) - n_window + 1, n_window)
        # A silent stretch has no correlation with anything, so it is no rival.
        first = first[~is_constant(_windows(target, first, n_window))] if len(first) else first
        n = len(first)
        if n <= n_imposters:
            return np.empty(0, dtype=np.int64), np.empty((0, n_imposters), dtype=np.int64)
        order = np.argsort(rng.random((n, n - 1)), axis=1)[:, :n_imposters]
        others = order + (order >= np.arange(n)[:, None])  # skips the window itself
        return first, first[others]

    return candidates


def match_mismatch(
    predictions: Sequence[Signal],
    targets: Sequence[Signal],
    subjects: Sequence[str],
    n_window: int,
    n_imposters: int,
    candidates: Candidates,
    unseen: Collection[str] = (),
) -> Accuracy:
    """How often the match correlates better with the prediction than every imposter.

    predictions, targets: per recording ``(n_times,)`` or ``(n_times, 1)``. A tie counts as the guess it would
    take: a constant prediction is right one time in ``n_imposters + 1``. Windows with a constant candidate
    are left out.
    """
    chance = 1 / (n_imposters + 1)
    right = [
        decisions(prediction, target, n_window, candidates)
        for prediction, target in zip(predictions, targets, strict=True)
    ]
    table: dict[str, SubjectAccuracy] = {}
    for subject, members in by_subject(subjects).items():
        mine = np.concatenate([right[member] for member in members])
        if len(mine):
            table[subject] = SubjectAccuracy(
                accuracy=float(mine.mean()),
                n_windows=len(mine),
                bound=guessing_bound(len(mine), chance),
                seen=subject not in unseen,
            )
    seen = [entry for entry in table.values() if entry.seen]
    others = [entry for entry in table.values() if not entry.seen]
    mean, bound = _over_subjects(seen, chance)
    mean_unseen, bound_unseen = _over_subjects(others, chance)
    n_too_short = sum(len(each) == 0 for each in right)
    return Accuracy(chance, mean, bound, mean_unseen, bound_unseen, table, n_too_short)


def decisions(
    prediction: Signal, target: Signal, n_window: int, candidates: Candidates
) -> NDArray[np.float64]:
    """Per window of one recording: 1 for right, 0 for wrong, 1/k where the match is one of k equal best."""
    predicted, true = (np.asarray(side, dtype=np.float64).reshape(-1) for side in (prediction, target))
    if predicted.shape != true.shape:
        raise ValueError(
            f"prediction {np.shape(prediction)} and target {np.shape(target)} differ in length; "
            "give both sides of the same recording"
        )
    first, imposters = candidates(true)
    if not len(first):
        return np.empty(0)
    answer = _windows(predicted, first, n_window)
    answer = np.where(is_constant(answer)[:, None], 0.0, unit(answer))
    starts = np.concatenate([first[:, None], imposters], axis=1)
    r = np.stack(
        [np.sum(answer * unit(_windows(true, start, n_window)), axis=1) for start in starts.T], axis=1
    )
    r = r[~np.isnan(r).any(axis=1)]  # a constant candidate has no r
    best = r == r.max(axis=1, keepdims=True)
    return np.asarray(best[:, 0] / best.sum(axis=1), dtype=np.float64)


def _windows(signal: NDArray[np.float64], first: NDArray[np.int64], n_window: int) -> NDArray[np.float64]:
    """``(n, n_window)``: the stretches of ``signal`` that begin at ``first``."""
    windows: NDArray[np.float64] = signal[first[:, None] + np.arange(n_window)]
    return windows


def _over_subjects(entries: Sequence[SubjectAccuracy], chance: float) -> tuple[float | None, float | None]:
    """Mean over subjects, and what guessing exceeds in at most 5 % of tests.

    The mean over S subjects of n_s guesses each varies as much as one test of S^2 / sum(1 / n_s) guesses,
    which is their number where all have the same.
    """
    if not entries:
        return None, None
    n_trials = len(entries) ** 2 / sum(1 / entry.n_windows for entry in entries)
    mean = float(np.mean([entry.accuracy for entry in entries]))
    return mean, guessing_bound(max(1, round(n_trials)), chance)
