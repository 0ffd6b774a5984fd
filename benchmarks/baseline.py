"""What the linear baseline costs: CPU seconds by scope and size, up to 85 subjects of 90 minutes.

Recordings are noise in memory-mapped files of 64 channels, 80/10/10 train, validation and test; time does not
depend on what is in them. CPU seconds of the process, all threads added up: on an otherwise idle machine of
several cores the wall clock shows less.

Cost grows with subjects times minutes (Gram matrices, predictions, the null), with subjects (one
eigendecomposition each, but for pooled, which has one), and, leaving one out, with their square (sums of the
others' moments, 1 MB each). ``--full`` measures the size in question (7.5 GB of recordings); without it that
is put together from three that are: many subjects with few minutes, few subjects with few, and with more.
"""

from __future__ import annotations

import resource
import tempfile
from itertools import product
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from ablab.baselines.backward import Scope, run
from ablab.data.corpus import Corpus, Recording
from ablab.spec.experiment import Evaluation

SCOPES: tuple[Scope, ...] = ("per_subject", "pooled", "leave_one_subject_out")
SUBJECTS, MINUTES = 85, 90
"""The size in question."""
FEW, SHORT, LONG = 3, 2, 8
MANY = 12
"""Subjects that stand for all of them where the size in question is extrapolated."""
N_CHANS = 64
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}

Row = dict[str, str | int | float]


def measure(full: bool = False) -> list[Row]:
    """One row per scope and size; with ``full`` the size in question is measured too."""
    sizes = ((MANY, SHORT), (FEW, SHORT), (FEW, LONG), *(((SUBJECTS, MINUTES),) if full else ()))
    rows: list[Row] = []
    seconds: dict[tuple[Scope, int, int], float] = {}
    for n_subjects, minutes in sizes:
        with tempfile.TemporaryDirectory() as folder:
            made = _corpus(Path(folder), n_subjects, minutes)
            for scope in SCOPES:
                began, began_cpu = perf_counter(), process_time()
                run(made, Evaluation(), scope=scope)
                taken = seconds[scope, n_subjects, minutes] = process_time() - began_cpu
                rows.append(
                    {
                        **_size(scope, n_subjects, minutes, taken),
                        "seconds": round(perf_counter() - began, 1),
                        "how": "measured",
                        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                    }
                )
    if full:
        return rows
    for scope in SCOPES:
        per_minute = (seconds[scope, FEW, LONG] - seconds[scope, FEW, SHORT]) / (FEW * (LONG - SHORT))
        many = seconds[scope, MANY, SHORT] * SUBJECTS / MANY
        whole = many + per_minute * SUBJECTS * (MINUTES - SHORT)
        rows.append({**_size(scope, SUBJECTS, MINUTES, whole), "how": "extrapolated"})
    return rows


def _size(scope: Scope, n_subjects: int, minutes: int, seconds: float) -> Row:
    return {"scope": scope, "subjects": n_subjects, "minutes": minutes, "cpu_seconds": round(seconds, 1)}


def _corpus(folder: Path, n_subjects: int, minutes: int) -> Corpus:
    rng = np.random.default_rng(0)
    parts: dict[str, list[Recording]] = {split: [] for split in SHARES}
    subjects = tuple(f"sub-{number:03d}" for number in range(n_subjects))
    for subject, (split, share) in product(subjects, SHARES.items()):
        n_times = round(minutes * 60 * 64 * share)
        files = []
        for name, width in (("eeg", N_CHANS), ("envelope", 1)):
            file = folder / f"{split}-{subject}-{name}.npy"
            np.save(file, rng.standard_normal((n_times, width), dtype=np.float32))
            files.append(np.load(file, mmap_mode="r"))
        parts[split].append(Recording(subject, "noise", *files))
    return Corpus(
        n_chans=N_CHANS,
        sfreq=64,
        subjects=subjects,
        train=tuple(parts["train"]),
        validation=tuple(parts["validation"]),
        test=tuple(parts["test"]),
        fingerprint="0" * 32,
        notices=(),
        simulated=True,
    )
