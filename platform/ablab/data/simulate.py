"""Simulated corpora: made once per set of parameters, kept in the split layout, opened like any other.

The fingerprint is known without generating anything: it hashes the parameters and the simulator's version.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from ablab.data.corpus import MIN_EVALUATION_SECONDS, SFREQ, Corpus, DataSummary, samples
from ablab.data.inspection import inspect, length_problems
from ablab.data.layout import Part
from ablab.data.listener import eeg, listener, speech_envelope
from ablab.data.scaling import Scale, time_cuts
from ablab.data.split_folder import build
from ablab.errors import DataError, Problem
from ablab.paths import Paths
from ablab.spec.experiment import Simulated

_log = logging.getLogger(__name__)

VERSION = 1
"""Raised whenever the same parameters give other numbers; a golden test notices."""
_RECORDING_MINUTES = 2.0
NOTICE = "simulated listeners: every number is made up and says nothing about brains"


def open_corpus(dataset: Simulated, paths: Paths) -> Corpus:
    """The simulated corpus, generated if this is the first time."""
    _refuse_too_short(dataset)
    name = fingerprint(dataset, paths)
    folder = paths.cache / "simulated" / name
    lock = paths.lock(f"simulated-{name}")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if not folder.is_dir():
            _log.info("simulating %d listeners, %g min each", dataset.n_subjects, dataset.minutes)
            write(folder, dataset)
    inspection = inspect(folder, cache=paths.cache)
    n_window = samples(dataset.window_seconds)
    problems = length_problems(inspection, n_window=n_window, train_fraction=dataset.train_fraction)
    if inspection.problems or problems:
        raise DataError([*inspection.problems, *problems])
    corpus = build(inspection, dataset.train_fraction, (NOTICE,))
    return replace(corpus, fingerprint=name, simulated=True)


def fingerprint(dataset: Simulated, paths: Paths) -> str:
    """Hash of simulator version and parameters; generates nothing and needs no state root."""
    del paths
    chosen = [VERSION, dataset.n_subjects, dataset.minutes, dataset.n_chans, dataset.seed]
    return hashlib.sha256(json.dumps(["simulated", *chosen]).encode()).hexdigest()[:32]


def holds_out_stimuli(dataset: Simulated) -> bool:
    """Never: every simulated recording is split by time."""
    del dataset  # whatever it says
    return False


def summary(dataset: Simulated, paths: Paths) -> DataSummary:
    """What is told of it, without generating it. Each listener hears a stimulus of their own: no leakage."""
    del paths
    _refuse_too_short(dataset)
    return DataSummary(
        n_subjects=dataset.n_subjects,
        n_recordings=dataset.n_subjects * _n_recordings(dataset.minutes),
        minutes=dataset.n_subjects * dataset.minutes,
        leaked_segments=0,
        accepted=None,
        shared_stimuli=(),
        notices=(NOTICE,),
        simulated=True,
    )


def write(folder: Path, dataset: Simulated) -> None:
    """Generate into ``folder``, which must not exist; it appears when it is whole."""
    _refuse_too_short(dataset)
    if folder.exists():
        raise DataError([Problem(str(folder), None, "", "exists already; name a folder that does not")])
    own = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    try:
        for number in range(dataset.n_subjects):
            _write_subject(own, dataset, number)
        own.rename(folder)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _n_recordings(minutes: float) -> int:
    return max(1, round(minutes / _RECORDING_MINUTES))


def _write_subject(folder: Path, dataset: Simulated, number: int) -> None:
    # Every listener and every recording has a generator of its own: in a larger corpus they stay the same.
    who = listener(dataset.n_chans, np.random.default_rng([dataset.seed, 0, number]))
    n_recordings = _n_recordings(dataset.minutes)
    n_times = int(dataset.minutes * 60 * SFREQ / n_recordings)
    for index in range(n_recordings):
        rng = np.random.default_rng([dataset.seed, 1, number, index])
        envelope = speech_envelope(n_times, rng)
        features = {"eeg": eeg(envelope, who, rng), "envelope": envelope.astype(np.float32)[:, None]}
        cuts = time_cuts(n_times)
        for feature, signal in features.items():
            scale = Scale.of(signal[cuts["train"]])
            for split, cut in cuts.items():
                part = Part(split, f"sim-{number + 1:03d}", f"rec{index:02d}")
                np.save(folder / part.file_name(feature), scale.z_scored(signal[cut]))


def _refuse_too_short(dataset: Simulated) -> None:
    tenth = dataset.minutes * 60 / _n_recordings(dataset.minutes) / 10
    if tenth < MIN_EVALUATION_SECONDS:
        least = MIN_EVALUATION_SECONDS * 10 / 60
        reason = f"{dataset.minutes:g} leaves no test part worth scoring; give at least {least:.2g}"
        raise DataError([Problem("dataset", None, "minutes", reason)])
