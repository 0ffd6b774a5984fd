"""The gate: trains the candidate, judges it against its baseline, looks again where that was declared.

One gate of a study runs at a time. Interrupted, it closes its own run and those of its trials as killed; what
a gate that was killed left open is closed by the next.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ablab.comparison.table import PER_SUBJECT
from ablab.errors import InputError
from ablab.orchestration.grid import opened, settled_states
from ablab.orchestration.interruption import interruptible, shielded
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.lock import study_lock
from ablab.orchestration.progress import Progress, Silence
from ablab.paths import Paths
from ablab.regression import manifest
from ablab.regression.candidate import Training
from ablab.regression.hook import run_hook
from ablab.regression.judge import judge
from ablab.regression.looks import alpha_of_look, seeds_in_order, sizes
from ablab.regression.quotients import names
from ablab.regression.record import files, metrics, tags
from ablab.regression.values import Baseline, Candidate, Gate, Judgement
from ablab.spec.load_regression import LoadedRegression
from ablab.spec.regression import Regression
from ablab.tracking import provenance
from ablab.tracking.baselines import BaselineRegistry
from ablab.tracking.gates import GateLog
from ablab.tracking.store import RunStore


def run_gate(
    loaded: LoadedRegression,
    *,
    paths: Paths,
    store: RunStore,
    baselines: BaselineRegistry,
    gates: GateLog,
    launcher: str = "local",
    launcher_options: Sequence[str] = (),
    workers: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Gate:
    """Train, judge and record one gate.

    Raises InputError and NotFoundError (no such baseline, seeds or metrics that it lacks) before anything is
    trained, StudyLockedError, DataError, StoreError, and KeyboardInterrupt where it was interrupted.
    """
    began = time.monotonic()
    moment = datetime.now(UTC)
    gate = f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    progress = progress or Silence()
    read_options(find_launcher(launcher), launcher_options)  # a slip is told before anything is opened
    regression, study = loaded.regression, loaded.study
    baseline = current_baseline(regression.baseline, baselines)
    for note in refuse_impossible(regression, baseline):
        progress.note(note)
    with interruptible(signal.SIGINT, signal.SIGTERM), study_lock(study, paths, store):
        settled_states(study, "candidate", paths, store, progress)
        _close_dead_gates(regression, gates, store, study)
        data = opened(loaded.experiment.dataset, paths, progress)
        facts = {
            "regression": regression.name,
            "baseline": baseline.name,
            "baseline_version": str(baseline.version),
            "began": moment.isoformat(timespec="seconds"),
        }
        run_id = gates.open(study, gate, facts)
        training = Training(
            study=study,
            gate=gate,
            experiment=loaded.experiment,
            data=data,
            paths=paths,
            store=store,
            progress=progress,
            launcher=launcher,
            launcher_options=launcher_options,
            workers=workers,
            device=device,
            began=began,
        )
        try:
            judgement, candidate = _looks(regression, baseline, training)
            first = judgement.first
            done = Gate(
                regression=regression.name,
                study=study,
                gate=gate,
                run_id=run_id,
                baseline=baseline.name,
                version=baseline.version,
                began=facts["began"],
                seconds=time.monotonic() - began,
                judgement=replace(judgement, notes=(*judgement.notes, *_changes(baseline, candidate))),
                looks=regression.looks,
                baseline_code=baseline.code_fingerprint,
                candidate_code=candidate.code_fingerprint,
                data_fingerprint=data,
                runs=tuple(run.run_id for run in candidate.runs),
                baseline_mean=first.baseline,
                candidate_mean=first.candidate,
            )
            if done.verdict == "FAIL" and regression.on_fail:
                done = replace(done, hook=run_hook(regression.on_fail, done))
            with shielded():
                gates.finish(run_id, tags(done), metrics(done), files(done))
        except KeyboardInterrupt:
            with shielded():
                store.close(run_id, "killed", "interrupted")
            raise
        except Exception as error:
            with shielded():
                store.close(run_id, "failed", str(error) or type(error).__name__)
            raise
    return done


def current_baseline(name: str, baselines: BaselineRegistry) -> Baseline:
    """The baseline that the alias names; NotFoundError where there is none."""
    versions = baselines.versions(name)
    current = next((version for version in versions if version.is_current), None)
    if current is None:
        raise InputError(
            f"baseline {name} has {len(versions)} versions and none is current (alias 'baseline'); "
            f"promote one: ablab regression promote STUDY --name {name}"
        )
    return manifest.read(baselines.manifest(current), current)


def refuse_impossible(regression: Regression, baseline: Baseline) -> tuple[str, ...]:
    """What the user should know of a gate against this baseline; InputError where it cannot be judged."""
    has = f"baseline {baseline.name} version {baseline.version}"
    lacking = [seed for seed in regression.seeds if seed not in baseline.seeds]
    if lacking:
        raise InputError(
            f"seeds: {has} has no run of seed {', '.join(map(str, lacking))} (it has "
            f"{', '.join(map(str, baseline.seeds))}); name those, or promote a cell that has more"
        )
    for check in regression.checks:
        if not _knows(baseline, check.metric):
            raise InputError(
                f"checks: {has} has no metric {check.metric}; promote it again from runs that have, "
                "or leave the check out"
            )
    curve = regression.learning_curve
    if curve is not None and not any(curve.metric in run.curves for run in baseline.runs):
        raise InputError(
            f"learning_curve.metric: {has} has no curve of {curve.metric} (it has "
            f"{', '.join(sorted({name for run in baseline.runs for name in run.curves})) or 'none'})"
        )
    wanted = regression.max_seeds or len(regression.seeds)
    if wanted > len(baseline.seeds):
        return (f"max_seeds is {wanted}, but {has} has {len(baseline.seeds)} seeds: no more can be added",)
    return ()


def _knows(baseline: Baseline, metric: str) -> bool:
    if metric in PER_SUBJECT:
        return any(run.subjects for run in baseline.runs)
    return bool(names(metric, baseline.runs))


def _looks(regression: Regression, baseline: Baseline, training: Training) -> tuple[Judgement, Candidate]:
    """Train and judge until it is decided or the last look is over."""
    order = seeds_in_order(regression, baseline.seeds)
    planned = sizes(regression, len(baseline.seeds))
    done = 0
    for look, size in enumerate(planned, 1):
        twice = order[0] if look == 1 and regression.determinism else None
        if training.train(order[done:size], twice=twice):
            raise KeyboardInterrupt
        done = size
        candidate = training.candidate()
        judgement = judge(regression, baseline, candidate, look=look, alpha=alpha_of_look(regression))
        if not judgement.more_seeds_may_decide:
            break
        if size < planned[-1]:
            training.progress.note(f"look {look} of {len(planned)} is inconclusive: adding seeds")
    return judgement, candidate


def _close_dead_gates(regression: Regression, gates: GateLog, store: RunStore, study: str) -> None:
    """Gates of this study that still read running have lost their process: the study's lock is ours."""
    for gate in gates.gates(regression.name):
        if gate.study == study and gate.status == "running":
            store.close(gate.run_id, "killed", "its process ended without closing the gate")


def _changes(baseline: Baseline, candidate: Candidate) -> tuple[str, ...]:
    """What else is not as it was: the place to look first where a check fails."""
    before, now = baseline.environment, provenance.environment()
    watched = [name for name in sorted({*before, *now}) if name.endswith("_version")]
    changed = [
        f"{name} {now.get(name)}, was {before.get(name)}"
        for name in watched
        if before.get(name) != now.get(name)
    ]
    if candidate.code_fingerprint != baseline.code_fingerprint:
        changed.insert(0, f"code {candidate.code_fingerprint[:8]}, was {baseline.code_fingerprint[:8]}")
    if not changed:
        return ("code fingerprint and versions are those of the baseline",)
    return (f"changed since the baseline: {'; '.join(changed)}",)
