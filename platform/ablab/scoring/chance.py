"""What r a decoder would reach by chance: the same predictions against circularly shifted envelopes.

A shift keeps everything about the envelope but its alignment with the prediction. It happens within one
recording; recordings are never joined, because where several carry the same stimulus a shift by one
recording would restore the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ablab.scoring.aggregate import by_subject, mean_of_scored, subject_means
from ablab.scoring.pearson import Signal, unit
from ablab.scoring.segments import is_constant, segment_pearson, segments

_CHUNK_SAMPLES = 1 << 17
"""Samples of shifted windows held at once: 1 MiB of float64, which stays in a core's cache."""


@dataclass(frozen=True, slots=True)
class ChanceNull:
    """The distribution of r under random alignment."""

    group_mean: float
    """Mean over draws of the mean over subjects."""
    group_p95: float
    """95th percentile over draws of the mean over subjects."""
    subject_mean: Mapping[str, float]
    subject_p95: Mapping[str, float]
    n_draws: int
    """Draws of the group's null."""
    group_p: float
    """Share of draws at least as high as the score, the score counted as one of them: (1 + k) / (1 + n)."""
    subject_p: Mapping[str, float]


def circular_shift_null(
    predictions: Sequence[Signal],
    targets: Sequence[Signal],
    subjects: Sequence[str],
    n_segment: int,
    *,
    n_window: int,
    rng: np.random.Generator,
    n_shifts: int = 1000,
) -> ChanceNull:
    """Null distribution of the score that `aggregate.subject_means` gives these recordings.

    predictions, targets: per recording, ``(n_times,)`` or ``(n_times, 1)``. n_window: the decoder's window,
    samples. Each draw shifts every stimulus by an own amount between ``min(n_window, n_times / 4)`` and
    ``n_times`` minus that, then scores as always (same segments, same rules). A stimulus' shifts are drawn
    without replacement until all were used; there are ``n_shifts`` draws, or as many as combinations of
    shifts exist.

    Recordings whose targets are equal carry one stimulus and are shifted alike. Their predictions are alike
    even where they say nothing of it (a decoder without EEG answers everybody the same), so that their
    scores rise and fall together; shifted apart they would average out, and the null be too narrow.

    Where a null has no value (every target constant) its mean, percentile and p are NaN.
    """
    if not len(predictions) == len(targets) == len(subjects):
        raise ValueError(
            f"{len(predictions)} predictions, {len(targets)} targets, {len(subjects)} subjects; "
            "give one of each per recording"
        )
    if n_window < 1 or n_shifts < 1:
        raise ValueError(f"n_window {n_window} and n_shifts {n_shifts} must be at least 1")
    every_shift = [
        shifted_r(prediction, target, n_segment, n_window)
        for prediction, target in zip(predictions, targets, strict=True)
    ]
    stimuli = [np.asarray(target, dtype=np.float64).tobytes() for target in targets]
    draws: dict[bytes, NDArray[np.int64]] = {}
    for stimulus, values in zip(stimuli, every_shift, strict=True):
        if stimulus not in draws:
            draws[stimulus] = _draws(len(values), n_shifts, rng)
    drawn = [values[draws[stimulus]] for stimulus, values in zip(stimuli, every_shift, strict=True)]
    n_allowed = {stimulus: len(values) for stimulus, values in zip(stimuli, every_shift, strict=True)}
    observed = subject_means(
        [segment_pearson(p, t, n_segment) for p, t in zip(predictions, targets, strict=True)], subjects
    )
    subject_mean, subject_p95, subject_p, subject_null = {}, {}, {}, []
    for subject, members in by_subject(subjects).items():
        null = mean_of_scored(np.stack([drawn[member] for member in members]), axis=0)
        heard = {stimuli[member] for member in members}
        distinct = null[: _n_combinations([n_allowed[stimulus] for stimulus in heard], n_shifts)]
        subject_mean[subject], subject_p95[subject] = _summary(distinct)
        subject_p[subject] = _p(distinct, observed.subjects[subject].r)
        subject_null.append(null)
    group = mean_of_scored(np.stack(subject_null), axis=0) if subject_null else np.empty(0)
    group = group[: _n_combinations(list(n_allowed.values()), n_shifts)]
    mean, p95 = _summary(group)
    p = _p(group, observed.mean)
    return ChanceNull(mean, p95, subject_mean, subject_p95, len(group), p, subject_p)


def shifted_r(prediction: Signal, target: Signal, n_segment: int, n_window: int) -> NDArray[np.float64]:
    """The recording's mean segment r at every allowed shift of its target, smallest shift first.

    A target shifted by k is ``np.roll(target, k)``: ``(n_allowed,)`` for ``n_times - 2 * low + 1`` shifts.
    """
    predicted, _ = segments(prediction, target, n_segment)
    true = np.asarray(target, dtype=np.float64).reshape(-1)
    n_times, (n_cut, length) = len(true), predicted.shape
    low = max(1, min(n_window, n_times // 4))
    shifts = np.arange(low, n_times - low + 1)
    # r of every segment of the prediction against the target's window at every circular start, once; each
    # (shift, segment) pair is one entry of that table.
    decoder = unit(predicted)
    decoder[is_constant(predicted)] = 0.0
    windows = sliding_window_view(np.concatenate([true, true[: length - 1]]), length)
    table = np.empty((n_times, n_cut))
    step = max(1, _CHUNK_SAMPLES // length)
    for start in range(0, n_times, step):
        # Not a matrix product: its last bits would depend on the linear algebra library and its threads.
        table[start : start + step] = np.einsum("wn,sn->ws", unit(windows[start : start + step]), decoder)
    first = np.arange(n_cut) * length
    return mean_of_scored(table[(first - shifts[:, None]) % n_times, np.arange(n_cut)])


def _draws(n_allowed: int, n_shifts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-n_shifts // n_allowed)
    return np.concatenate([rng.permutation(n_allowed) for _ in range(rounds)])[:n_shifts]


def _n_combinations(n_allowed: Sequence[int], n_shifts: int) -> int:
    total = 1
    for count in n_allowed:
        total *= count
        if total >= n_shifts:
            return n_shifts
    return total


def _p(null: NDArray[np.float64], observed: float) -> float:
    """One-sided p of a score under its null; never zero, since the truth is one possible alignment."""
    values = null[~np.isnan(null)]
    if not len(values) or np.isnan(observed):
        return float("nan")
    return float((1 + np.count_nonzero(values >= observed)) / (1 + len(values)))


def _summary(null: NDArray[np.float64]) -> tuple[float, float]:
    values = null[~np.isnan(null)]
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(np.percentile(values, 95))
