"""Reading a split folder and judging every file of it, in one pass, with what to do about each fault.

What is judged here is what ``fingerprint`` saw while it read each file once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablab.data.corpus import MIN_EVALUATION_SECONDS, SFREQ, samples
from ablab.data.fingerprint import FileFacts, folder_fingerprint, read_facts
from ablab.data.layout import FEATURES, Part, list_folder
from ablab.errors import Problem


@dataclass(frozen=True, slots=True)
class Inspection:
    """A folder that was read: its parts, what is in them and what is wrong with them."""

    folder: Path
    parts: tuple[Part, ...]
    """Sorted; all of them, also those with problems."""
    facts: Mapping[str, FileFacts]
    """By file name."""
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of the contents, wherever the folder lies."""
        return folder_fingerprint(self.facts)

    @property
    def n_chans(self) -> int:
        """EEG channels of most files."""
        return _majority([fact.shape[1] for fact in self._eeg() if len(fact.shape) == 2])

    def n_times(self, part: Part) -> int:
        """Samples of this part."""
        shape = self.facts[part.file_name("eeg")].shape
        return shape[0] if shape else 0

    def _eeg(self) -> list[FileFacts]:
        return [self.facts[part.file_name("eeg")] for part in self.parts]


def inspect(folder: Path, *, cache: Path | None, subjects: Sequence[str] | None = None) -> Inspection:
    """Read the folder's files, of these subjects only where they are given, and find what is wrong."""
    listing = list_folder(folder, subjects)
    facts = read_facts(folder, listing.file_names, cache)
    found = Inspection(folder, listing.parts, facts, listing.problems, listing.notices)
    problems = [*listing.problems]
    for part in found.parts:
        problems += _part_problems(found, part)
    return replace(found, problems=tuple(problems))


def length_problems(inspection: Inspection, *, n_window: int, train_fraction: float) -> list[Problem]:
    """Training parts shorter than a window, validation and test parts too short to be scored."""
    problems = []
    for part in inspection.parts:
        n_times = inspection.n_times(part)
        source = str(inspection.folder / part.file_name("eeg"))
        if n_times == 0:
            continue
        if part.split == "train":
            used = int(n_times * train_fraction)
            if used < n_window:
                share = "" if train_fraction == 1 else f" after dataset.train_fraction {train_fraction:g}"
                reason = (
                    f"too short: {used / SFREQ:.1f} s{share}, a training window has {n_window / SFREQ:g} s; "
                    "set dataset.window_seconds lower or leave the recording out"
                )
                problems.append(Problem(source, None, "", reason))
        elif n_times < samples(MIN_EVALUATION_SECONDS):
            reason = (
                f"too short: {n_times} samples, a score needs at least {samples(MIN_EVALUATION_SECONDS)}; "
                "leave the recording out or split it again"
            )
            problems.append(Problem(source, None, "", reason))
    return problems


def _part_problems(found: Inspection, part: Part) -> list[Problem]:
    problems = []
    shapes = []
    for feature in FEATURES:
        name = part.file_name(feature)
        facts = found.facts[name]
        shape_fault = _shape_fault(feature, facts.shape)
        faults = [facts.error] if facts.error else [shape_fault, *_value_faults(part, feature, facts)]
        if feature == "eeg" and not shape_fault and not facts.error and facts.shape[1] != found.n_chans:
            faults.append(
                f"has {facts.shape[1]} channels where most files have {found.n_chans}; "
                "bring all recordings to the same channels in the same order"
            )
        problems += [Problem(str(found.folder / name), None, "", fault) for fault in faults if fault]
        if not facts.error and not shape_fault:
            shapes.append(facts.shape[0])
    if len(set(shapes)) > 1:
        reason = (
            f"{shapes[0]} samples, but its envelope has {shapes[1]}; "
            "cut both to the same stretch of time at the same sampling rate"
        )
        problems.append(Problem(str(found.folder / part.file_name("eeg")), None, "", reason))
    return problems


def _shape_fault(feature: str, shape: tuple[int, ...]) -> str:
    if 0 in shape:
        return f"too short: shape {shape} holds no sample; remove the recording or write it again"
    if feature == "eeg" and len(shape) != 2:
        return f"shape {shape}; EEG must be (n_times, n_chans)"
    if feature == "eeg" and shape[0] < shape[1]:
        return f"shape {shape} has fewer samples than channels; if time is second, save the transpose"
    if feature == "envelope" and not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        return f"shape {shape}; an envelope must be (n_times, 1) or (n_times,)"
    return ""


def _value_faults(part: Part, feature: str, facts: FileFacts) -> list[str]:
    faults = []
    if facts.dtype != "float32":
        if facts.dtype.startswith(("int", "uint")):
            advice = "looks unscaled: z-score it with its train part, then save it as float32"
        else:
            advice = "convert it: np.save(file, np.load(file).astype('float32'))"
        faults.append(f"dtype is {facts.dtype}, not float32; {advice}")
    if facts.n_bad:
        at = f"sample {facts.first_bad[0]}" + (f", channel {facts.first_bad[1]}" if feature == "eeg" else "")
        faults.append(
            f"{facts.n_bad} values are NaN or infinite, the first at {at}; "
            "interpolate them or leave the recording out"
        )
    elif facts.constant and feature == "envelope":
        faults.append("the envelope is constant; leave the recording out")
    elif facts.constant and part.split == "train":
        channels = ", ".join(str(index) for index in facts.constant[:8])
        more = f" and {len(facts.constant) - 8} more" if len(facts.constant) > 8 else ""
        faults.append(
            f"constant over the whole train part: channel {channels}{more}; "
            "interpolate it, or drop it in all recordings"
        )
    return faults


def _majority(counts: Sequence[int]) -> int:
    """The most frequent number, the larger of two equally frequent ones; 0 where there is none."""
    tally = Counter(counts)
    return max(tally, key=lambda number: (tally[number], number)) if tally else 0
