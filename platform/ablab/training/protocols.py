"""Published evaluation protocols on finished test predictions: metrics, a table, and what could not be told.

What each protocol computes is in ``scoring``; here is which one with which numbers, and how it is called.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import Recording, samples
from ablab.scoring.challenge import SEGMENT_SECONDS, challenge_score
from ablab.scoring.match_mismatch import Accuracy, imposter_later, imposters_elsewhere, match_mismatch
from ablab.training.whole_file import whole_file

_IMPOSTER_SEED = 0
"""The imposters are part of the measure, so their draws are the same for every decoder."""
_GAP_SECONDS = 1.0
"""Between a 3 s window and its imposter (challenge 2023)."""
_FOUR = 4
"""Imposters of a 5 s window (challenge 2024)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One subject under one measure."""

    measure: str
    subject: str
    seen: bool
    value: float
    """r, or the share of right decisions."""
    n: int
    """Segments or windows."""
    chance: float | None
    """The share that guessing gets right; None for r."""
    bound: float | None
    """What guessing exceeds in at most 5 of 100 tests of as many windows."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the asked-for protocols say."""

    metrics: Mapping[str, float]
    """Such as ``test/challenge_within``; what could not be measured is not in it."""
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    """What could not be measured, and why."""


Protocol = Callable[[Sequence[NDArray[np.float32]], Sequence[Recording], Collection[str]], Findings]


def measure(
    protocols: Sequence[str],
    predictions: Sequence[NDArray[np.float32]],
    recordings: Sequence[Recording],
    unseen: Collection[str],
) -> Findings:
    """Score predictions, per recording ``(n_times,)``, under each of ``protocols``."""
    found = [PROTOCOLS[name](predictions, recordings, unseen) for name in protocols]
    return Findings(
        {name: value for each in found for name, value in each.metrics.items()},
        tuple(line for each in found for line in each.lines),
        tuple(note for each in found for note in each.notes),
    )


def write_lines(path: Path, lines: Sequence[Line]) -> None:
    """CSV, one line per subject and measure under the names of `Line`'s fields."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        names = [field.name for field in fields(Line)]
        table.writerow(names)
        table.writerows([getattr(line, name) for name in names] for line in lines)


def _challenge_regression(
    predictions: Sequence[NDArray[np.float32]], recordings: Sequence[Recording], unseen: Collection[str]
) -> Findings:
    got = challenge_score(
        predictions, _targets(recordings), _subjects(recordings), samples(SEGMENT_SECONDS), unseen
    )
    notes = []
    if got.n_too_short:
        notes.append(
            f"challenge_regression: {got.n_too_short} of {len(recordings)} test recordings hold no segment "
            f"of {SEGMENT_SECONDS:g} s and are left out"
        )
    if got.within is None:
        notes.append("challenge_regression: no segment of a subject that was trained on; no score")
    elif got.held_out is None:
        notes.append(
            "challenge_regression: no segment of a held-out subject, so only test/challenge_within is "
            "measured; test/challenge_score needs both parts (2/3 within + 1/3 held out)"
        )
    metrics = {
        "test/challenge_score": got.score,
        "test/challenge_within": got.within,
        "test/challenge_held_out": got.held_out,
    }
    lines = (
        Line("challenge_r", subject, subject not in unseen, r, got.n_segments[subject], None, None)
        for subject, r in got.subjects.items()
    )
    return Findings(_known(metrics), tuple(lines), tuple(notes))


def _match_mismatch(
    predictions: Sequence[NDArray[np.float32]], recordings: Sequence[Recording], unseen: Collection[str]
) -> Findings:
    targets, subjects = _targets(recordings), _subjects(recordings)
    three, five = samples(3.0), samples(5.0)
    later = imposter_later(three, samples(_GAP_SECONDS))
    elsewhere = imposters_elsewhere(five, _FOUR, np.random.default_rng(_IMPOSTER_SEED))
    tasks = {
        "match_mismatch_3s": match_mismatch(predictions, targets, subjects, three, 1, later, unseen),
        "match_mismatch_5s": match_mismatch(predictions, targets, subjects, five, _FOUR, elsewhere, unseen),
    }
    metrics: dict[str, float | None] = {}
    lines: list[Line] = []
    notes: list[str] = []
    for name, got in tasks.items():
        metrics |= {
            f"test/{name}": got.mean,
            f"test/{name}_chance": got.chance if got.mean is not None else None,
            f"test/{name}_chance_p95": got.bound,
            f"test/{name}_unseen": got.mean_unseen,
            f"test/{name}_unseen_chance_p95": got.bound_unseen,
        }
        lines += _accuracy_lines(name, got)
        if got.n_too_short:
            notes.append(
                f"{name}: {got.n_too_short} of {len(recordings)} test recordings hold no window with its "
                "imposters and are left out"
            )
    return Findings(_known(metrics), tuple(lines), tuple(notes))


def _accuracy_lines(name: str, got: Accuracy) -> Iterator[Line]:
    for subject, entry in got.subjects.items():
        yield Line(name, subject, entry.seen, entry.accuracy, entry.n_windows, got.chance, entry.bound)


def _known(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}


def _targets(recordings: Sequence[Recording]) -> list[NDArray[Any]]:
    return [recording.envelope[:, 0] for recording in recordings]


def _subjects(recordings: Sequence[Recording]) -> list[str]:
    return [recording.subject for recording in recordings]


PROTOCOLS: dict[str, Protocol] = {
    "challenge_regression": _challenge_regression,
    "match_mismatch": _match_mismatch,
}
"""``evaluation.protocols`` -> how it is measured."""
