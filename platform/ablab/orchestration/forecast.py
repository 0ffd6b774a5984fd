"""What a grid will cost, and which effect it can detect, from finished runs or from a pilot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ablab.comparison.power import detectable
from ablab.comparison.table import matrices, paired, tidy
from ablab.comparison.variance import components
from ablab.designs.expand import contrast
from ablab.models.parameter_count import parameter_count
from ablab.orchestration.pilot_facts import PilotFacts, Spread
from ablab.orchestration.selection import Standing
from ablab.spec.experiment import Conformer
from ablab.spec.load import LoadedGrid
from ablab.spec.record import RunRecord
from ablab.spec.trial import Cell, Trial


@dataclass(frozen=True, slots=True)
class Cost:
    """Time that the trials still to run will take."""

    seconds_per_trial: float
    """Mean over the trials to run."""
    seconds_total: float
    """Sum over them, one after the other."""
    workers: int
    seconds_wall: float
    """With so many workers."""
    source: str
    """Where the figures come from, for people."""


@dataclass(frozen=True, slots=True)
class Power:
    """The smallest effect that the declared contrast can be expected to detect."""

    detectable: float
    """In r, at 80 % power; infinite where no test is possible."""
    n_seeds: int
    n_subjects: int
    sesoi: float
    source: str
    """Where the variances come from, for people."""


def cost_of(found: Sequence[Standing], pilot: PilotFacts | None, workers: int) -> Cost | None:
    """Cost of what is neither done nor kept; None where nothing is known, or nothing is to run.

    Finished runs of a cell stand for that cell, those of the others for the cells that have none.
    """
    to_run = [each.trial for each in found if each.progress in ("missing", "failed", "killed")]
    measured = _measured(found)
    if not to_run or (not measured and pilot is None):
        return None
    seconds = list(_seconds(to_run, measured, pilot).values())
    if measured:
        n_runs = sum(map(len, measured.values()))
        source = f"{n_runs} finished run{'s' if n_runs > 1 else ''}"
    else:
        assert pilot is not None
        source = f"pilot {fmean(pilot.seconds_per_epoch.values()):.2g} s/epoch"
    workers = min(workers, len(to_run))
    # The last trial to start can be the longest: no plan ends before one whole trial.
    wall = max(sum(seconds) / workers, max(seconds))
    return Cost(fmean(seconds), sum(seconds), workers, wall, source)


def expected_seconds(
    to_run: Sequence[Trial], found: Sequence[Standing], pilot: PilotFacts | None
) -> Mapping[str, float]:
    """Key -> how long a trial is expected to take, so that the longest can be started first.

    Where nothing was measured, an hour for the mean trial, and the others in proportion to their epochs and
    parameters.
    """
    measured = _measured(found)
    if measured or pilot is not None:
        return _seconds(to_run, measured, pilot)
    work = {trial.key: _work(trial) for trial in to_run}
    mean = fmean(work.values()) if work else 1.0
    return {key: 3600.0 * each / mean for key, each in work.items()}


def _measured(found: Sequence[Standing]) -> dict[str, list[float]]:
    measured: dict[str, list[float]] = {}
    for each in found:
        if each.run is not None and each.run.status == "finished":
            measured.setdefault(each.trial.cell.id, []).append(each.run.seconds)
    return measured


def _seconds(
    trials: Sequence[Trial], measured: Mapping[str, Sequence[float]], pilot: PilotFacts | None
) -> dict[str, float]:
    if measured:
        every = fmean(seconds for of_cell in measured.values() for seconds in of_cell)
        return {trial.key: fmean(measured.get(trial.cell.id, [every])) for trial in trials}
    assert pilot is not None
    mean = fmean(pilot.seconds_per_epoch.values())
    return {
        trial.key: pilot.seconds_per_epoch.get(trial.cell.id, mean) * trial.cell.experiment.training.epochs
        for trial in trials
    }


def _work(trial: Trial) -> float:
    """Epochs times parameters; the channels of recordings are not known here, and count for little."""
    experiment = trial.cell.experiment
    model = experiment.model
    size = parameter_count(model, experiment.improvements, 64, 1) if isinstance(model, Conformer) else 1
    return float(experiment.training.epochs * size) / experiment.training.processes


def power_of(
    loaded: LoadedGrid,
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    pilot: PilotFacts | None,
    n_subjects: int,
) -> Power | None:
    """Detectable effect of the declared contrast; None where no variances are known."""
    analysis = loaded.grid.analysis
    treatment, reference = contrast(loaded.grid, cells)
    finished = [record for record in records if record.status == "finished"]
    spread = spread_between(finished, treatment.id, reference.id, analysis.metric)
    source = "variances of the finished runs"
    if spread is None and pilot is not None:
        spread, source = pilot.spread, "pilot variances"
    if spread is None:
        return None
    n_seeds = len(loaded.grid.seeds)
    effect = detectable(
        spread.sd_subject, spread.sd_seed, spread.sd_residual, n_subjects, n_seeds, analysis.alpha
    )
    return Power(effect, n_seeds, n_subjects, analysis.sesoi, source)


def spread_between(
    records: Sequence[RunRecord], treatment: str, reference: str, metric: str
) -> Spread | None:
    """Variance budget of treatment minus reference; None below two subjects or two seeds in both."""
    scores = matrices(tidy(records, metric), (treatment, reference))
    differences = paired(scores[treatment], scores[reference]).differences
    n_subjects, n_seeds = differences.shape
    if n_subjects < 2 or n_seeds < 2:
        return None
    parts = components(differences)
    return Spread(parts.sd_subject, parts.sd_seed, parts.sd_residual, n_subjects)
