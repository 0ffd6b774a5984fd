"""How a split folder is laid out: ``<split>_-_<subject>_-_<recording>_-_<feature>.npy``, one flat folder.

Reads names only; what the files hold is looked at in ``fingerprint`` and judged in ``check``.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import Problem

SEPARATOR = "_-_"
SPLITS = ("train", "val", "test")
FEATURES = ("eeg", "envelope")
PATTERN = f"<split>{SEPARATOR}<subject>{SEPARATOR}<recording>{SEPARATOR}<feature>.npy"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One split of one recording; sorts by split, subject, recording."""

    split: str
    subject: str
    recording: str

    def file_name(self, feature: str) -> str:
        """The name of the file that holds this feature.

        >>> Part("val", "sub-01", "story1").file_name("eeg")
        'val_-_sub-01_-_story1_-_eeg.npy'
        """
        return SEPARATOR.join((self.split, self.subject, self.recording, feature)) + ".npy"


@dataclass(frozen=True, slots=True)
class Listing:
    """What the names in a folder say."""

    folder: Path
    parts: tuple[Part, ...]
    """Parts that have both features, sorted."""
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of all files that belong to ``parts``, sorted."""
        return tuple(sorted(part.file_name(feature) for part in self.parts for feature in FEATURES))


def list_folder(folder: Path, subjects: Sequence[str] | None = None) -> Listing:
    """Read the names in ``folder``; with ``subjects``, only the files of these count."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        advice = (
            f"{what}; set dataset.path to the folder with the {PATTERN} files, "
            "or make one with 'ablab data split'"
        )
        return Listing(folder, (), (Problem(str(folder), None, "", advice),), ())
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.suffix == ".npy" and entry.name[0] != "."
    )
    if not names:
        empty = f"holds no .npy file; expected {PATTERN}"
        return Listing(folder, (), (Problem(str(folder), None, "", empty),), ())
    problems: list[Problem] = []
    found: dict[Part, set[str]] = {}
    ignored: Counter[str] = Counter()
    for name in names:
        part, feature, fault = _parse(name)
        if part is None:
            problems.append(Problem(str(folder / name), None, "", fault))
        elif feature in FEATURES:
            found.setdefault(part, set()).add(feature)
        else:
            ignored[feature] += 1
    if subjects is not None:
        problems += _absent_subjects(subjects, {part.subject for part in found})
        found = {part: features for part, features in found.items() if part.subject in subjects}
    for part, features in sorted(found.items()):
        for feature in set(FEATURES) - features:
            partner = part.file_name(next(iter(features)))
            missing = f"missing, although {partner} exists; add it or remove its partner"
            problems.append(Problem(str(folder / part.file_name(feature)), None, "", missing))
    parts = tuple(sorted(part for part, features in found.items() if len(features) == len(FEATURES)))
    problems += _incomplete_splits(folder, found)
    notices = [
        f"files with the feature '{feature}' are not read ({count})"
        for feature, count in sorted(ignored.items())
    ]
    return Listing(folder, parts, tuple(problems), (*_unseen(parts), *notices))


def nearest(word: str, choices: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"``, or nothing where no choice is near.

    >>> nearest("vall", ["train", "val"])
    " (did you mean 'val'?)"
    """
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _parse(name: str) -> tuple[Part | None, str, str]:
    pieces = name.removesuffix(".npy").split(SEPARATOR)
    if len(pieces) != 4 or not all(pieces):
        return None, "", f"the name does not read {PATTERN}; rename it or move it out of the folder"
    split, subject, recording, feature = pieces
    if split not in SPLITS:
        hint = nearest(split, SPLITS)
        return None, "", f"unknown split '{split}'{hint}; splits are {', '.join(SPLITS)}"
    return Part(split, subject, recording), feature, ""


def _absent_subjects(subjects: Sequence[str], present: set[str]) -> list[Problem]:
    return [
        Problem(
            "dataset",
            None,
            "subjects",
            f"'{subject}' is not in the folder{nearest(subject, present)}; it holds {_few(sorted(present))}",
        )
        for subject in subjects
        if subject not in present
    ]


def _incomplete_splits(folder: Path, parts: Iterable[Part]) -> list[Problem]:
    """Splits without a file, and subjects that lack one of the splits."""
    subjects: dict[str, set[str]] = {split: set() for split in SPLITS}
    for part in parts:
        subjects[part.split].add(part.subject)
    if not any(subjects.values()):
        return []
    problems = [
        Problem(
            str(folder), None, "", f"no file of the split '{split}'; each of {', '.join(SPLITS)} is needed"
        )
        for split in SPLITS
        if not subjects[split]
    ]
    trained = subjects["train"]
    for split in ("val", "test"):
        lacking = sorted(trained - subjects[split])
        if lacking and subjects[split] and not trained & subjects[split]:
            reason = (
                f"no subject of the split '{split}' has training data; decoders are chosen and compared by "
                f"subjects that they were trained on, and others are reported apart, so add {split} files of "
                f"{_few(lacking)}"
            )
            problems.append(Problem(str(folder), None, "", reason))
        elif lacking and subjects[split]:
            reason = (
                f"{_few(lacking)} have no {split} file; add it, or restrict dataset.subjects to the others"
            )
            problems.append(Problem(str(folder), None, "", reason))
    return problems


def _unseen(parts: Iterable[Part]) -> tuple[str, ...]:
    """The notice about subjects that occur in val or test only, if there are any."""
    trained = {part.subject for part in parts if part.split == "train"}
    unseen = sorted({part.subject for part in parts} - trained)
    if not unseen:
        return ()
    one = len(unseen) == 1
    return (
        f"unseen {'subject' if one else 'subjects'}: {_few(unseen)} {'has' if one else 'have'} no training "
        "data; decoded with the mean subject embedding, and reported apart from the others",
    )


def _few(names: Sequence[str], most: int = 8) -> str:
    """The names, or the first ones and how many more."""
    if not names:
        return "no subject"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
