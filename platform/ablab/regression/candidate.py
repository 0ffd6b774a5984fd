"""Trains what the code as it is now makes of the baseline's seeds; always afresh.

Every gate's trials have keys of their own: the trial's key hashed with the gate's id. So no finished run is
ever taken for a new one, whatever code made it, and what a gate that was killed left behind is never gone on
from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ablab.errors import NotFoundError
from ablab.orchestration.events import Finished
from ablab.orchestration.gpus import gpus_of, refuse_too_few
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.progress import Progress
from ablab.orchestration.queue import Untold
from ablab.orchestration.selection import Selection
from ablab.orchestration.session import Session
from ablab.paths import Paths
from ablab.regression.measuring import hosts, learning_curves
from ablab.regression.values import CANDIDATE, Candidate, Measured
from ablab.spec.experiment import Experiment
from ablab.spec.identity import digest, trial_key
from ablab.spec.trial import Cell, Trial
from ablab.tracking.provenance import run_fingerprint
from ablab.tracking.store import RunStore

REPEAT = "repeat"


@dataclass(slots=True)
class Training:
    """The candidate while it grows: used by one gate, look after look."""

    study: str
    gate: str
    experiment: Experiment
    data: str
    """Fingerprint of the data."""
    paths: Paths
    store: RunStore
    progress: Progress
    launcher: str = "local"
    launcher_options: Sequence[str] = ()
    workers: int | None = None
    device: str = "auto"
    began: float = 0.0
    ends: dict[int, Finished] = field(default_factory=dict)
    repeat: Finished | None = None
    repeated_seed: int | None = None
    failures: list[str] = field(default_factory=list)

    def train(self, seeds: Sequence[int], *, twice: int | None = None) -> bool:
        """Train these seeds, and one of them ``twice``; returns whether it was interrupted."""
        trials = [self._trial(seed) for seed in seeds]
        again = [] if twice is None else [self._trial(twice, again=True)]
        everything = [*trials, *again]
        refuse_too_few((trial.cell for trial in everything), self.device)
        kind = find_launcher(self.launcher)
        request = Request(tuple(everything), self.workers, options=read_options(kind, self.launcher_options))
        selection = Selection(tuple(everything), ())
        session = Session(self.study, selection, Untold, self.store, self.progress, self.began)
        result = session.run(kind, Place.here(self.paths.root, "candidate", self.device), request)
        by_key = {end.key: end for end in session.finished}
        self.ends |= {trial.seed: by_key[trial.key] for trial in trials if trial.key in by_key}
        self.failures += [f"{failure.cell}: {failure.error}" for failure in result.failures]
        if again and again[0].key in by_key:
            self.repeat, self.repeated_seed = by_key[again[0].key], twice
        return result.interrupted

    def candidate(self) -> Candidate:
        """What has been trained so far."""
        host_of = hosts(self.store.states(self.study))
        runs = tuple(self._measured(seed, end, host_of) for seed, end in sorted(self.ends.items()))
        repeat, same = None, None
        if self.repeat is not None and self.repeated_seed is not None:
            repeat = self._measured(self.repeated_seed, self.repeat, host_of)
            if self.repeated_seed in self.ends:
                same = self._same_predictions(self.ends[self.repeated_seed].run_id, self.repeat.run_id)
        return Candidate(
            experiment=self.experiment,
            data_fingerprint=self.data,
            code_fingerprint=run_fingerprint(self.experiment),
            runs=runs,
            repeat=repeat,
            same_predictions=same,
            failures=tuple(self.failures),
            device="cuda" if gpus_of(self.device) else "cpu",
        )

    def _trial(self, seed: int, *, again: bool = False) -> Trial:
        content = trial_key(self.experiment, self.data, seed)
        key = digest({"trial": content, "gate": self.gate, REPEAT: again})[:32]
        name = f"{self.gate}-{REPEAT}" if again else self.gate
        label = REPEAT if again else CANDIDATE
        return Trial(key, self.study, Cell(name, label, {}, self.experiment), seed, self.data)

    def _measured(self, seed: int, end: Finished, host_of: Mapping[str, str]) -> Measured:
        return Measured(
            cell=CANDIDATE,
            run_id=end.run_id,
            key=end.key,
            seed=seed,
            host=host_of.get(end.run_id, ""),
            metrics=dict(end.metrics),
            subjects=end.subjects,
            curves=learning_curves(end.run_id, self.store),
        )

    def _same_predictions(self, one: str, other: str) -> bool | None:
        """Whether two runs predict the same bits for every test recording."""
        try:
            files = [self.store.artifact(run_id, "predictions.npz") for run_id in (one, other)]
        except NotFoundError:
            return None
        with np.load(files[0], allow_pickle=False) as ours, np.load(files[1], allow_pickle=False) as theirs:
            if sorted(ours.files) != sorted(theirs.files):
                return False
            return all(ours[name].tobytes() == theirs[name].tobytes() for name in ours.files)
