"""Which stimuli stand twice: in train and in validation or test (a leak), or in several recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ablab.data.corpus import SharedStimulus
from ablab.data.fingerprint import map_array
from ablab.data.inspection import Inspection
from ablab.data.json_cache import read_json, write_json
from ablab.data.layout import SPLITS
from ablab.data.leakage import VERSION, Leak, Track, find_leaks
from ablab.errors import Problem


def leaks(inspection: Inspection, *, cache: Path | None) -> tuple[Leak, ...]:
    """Leaked stretches of a folder without problems; searched once per content."""
    memory = None if cache is None else cache / "leakage" / f"{inspection.fingerprint}.json"
    stored = None if memory is None else read_json(memory)
    if isinstance(stored, dict) and stored.get("version") == VERSION:
        return tuple(Leak(**leak) for leak in stored["leaks"])
    tracks: dict[bool, list[Track]] = {True: [], False: []}
    for part in inspection.parts:
        name = part.file_name("envelope")
        track = Track(name, inspection.facts[name].digest, map_array(inspection.folder / name))
        tracks[part.split == "train"].append(track)
    found = find_leaks(tracks[True], tracks[False])
    if memory is not None:
        write_json(memory, {"version": VERSION, "leaks": [asdict(leak) for leak in found]})
    return found


def leak_problem(folder: Path, leak: Leak) -> Problem:
    """The leak in words, at the held-out file."""
    others = counted(leak.copies - 1, "other file")
    also = "" if leak.copies == 1 else f", and in {others} with the same envelope"
    reason = (
        f"{leak.seconds:.1f} s from {leak.held_out_start:.1f} s{also}, stand in training too: "
        f"{leak.train} from {leak.train_start:.1f} s (r {leak.r:.3f})"
    )
    return Problem(str(folder / leak.held_out), None, "", reason)


def counted(number: int, one: str, many: str = "") -> str:
    """The number with the noun in its right form.

    >>> counted(1, "segment"), counted(2, "stimulus", "stimuli")
    ('1 segment', '2 stimuli')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def shared_stimuli(inspection: Inspection) -> tuple[SharedStimulus, ...]:
    """Groups of recordings of one split whose envelopes are equal sample for sample."""
    groups: dict[tuple[str, str], list[str]] = {}
    for part in inspection.parts:
        digest = inspection.facts[part.file_name("envelope")].digest
        if digest:
            groups.setdefault((part.split, digest), []).append(f"{part.subject}/{part.recording}")
    return tuple(
        SharedStimulus(split, tuple(names)) for (split, _), names in groups.items() if len(names) > 1
    )


def shared_notice(shared: Sequence[SharedStimulus]) -> str:
    """One sentence about shared stimuli; empty where there are none."""
    parts = []
    for split in SPLITS:
        groups = [group.recordings for group in shared if group.split == split]
        if groups:
            names = [name for group in groups for name in group]
            parts.append(f"{split}: {len(names)} recordings of {counted(len(groups), 'stimulus', 'stimuli')}")
    if not parts:
        return ""
    return (
        f"the same stimulus stands in several recordings ({'; '.join(parts)}): "
        "results say nothing about new stimuli"
    )
