"""What one wants to know before a long training, as facts: model, toggles, diagnosis, data, steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ablab.comparison.figures import plural
from ablab.data.datasets import open_corpus, summary
from ablab.errors import DataError
from ablab.models.parameter_count import parameter_count
from ablab.paths import Paths
from ablab.spec.experiment import Conformer, Experiment, Simulated

State = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the checklist. Most facts are neither good nor bad: only some can be missing."""

    name: str
    text: str
    state: State = "yes"


@dataclass(frozen=True, slots=True)
class _Data:
    """What of the data the other facts need."""

    n_chans: int
    n_subjects: int
    """Of the training recordings: columns of the embedding."""
    n_recordings: int
    """Of training."""
    text: str


def preflight(experiment: Experiment, paths: Paths) -> tuple[Fact, ...]:
    """The checklist of an experiment; looks at the data, and reads only what changed."""
    data, problem = _data(experiment, paths)
    training = experiment.training
    return (
        _model(experiment, data),
        _toggles(experiment),
        _scale(experiment),
        _diagnosis(experiment, data),
        Fact("data", data.text) if data else Fact("data", problem, "no"),
        _epoch(experiment, data),
        Fact(
            "training",
            f"{plural(training.epochs, 'epoch')}, {training.optimizer}, "
            f"learning rate {training.learning_rate:g}, "
            + ("no clipping" if training.clip_norm is None else f"clipped at {training.clip_norm:g}")
            + f", evaluated every {_every(training.evaluate_every, 'epoch')}",
        ),
    )


def _model(experiment: Experiment, data: _Data | None) -> Fact:
    model = experiment.model
    if not isinstance(model, Conformer):
        return Fact("model", f"{model.kind}, an installed plug-in; its parameters are counted when it runs")
    text = (
        f"{model.kind}, d {model.d_model}, {plural(model.n_layers, 'block')}, {plural(model.n_heads, 'head')}"
    )
    if data is None:
        return Fact("model", f"{text}; parameters depend on the data")
    count = parameter_count(model, experiment.improvements, data.n_chans, data.n_subjects)
    return Fact("model", f"{text}, {count:,} parameters")


def _toggles(experiment: Experiment) -> Fact:
    on = experiment.improvements
    head = "MLP head" if on.mlp_head else "linear head"
    version = "the original" if not (on.mlp_head or on.residual != "none" or on.gradient_scale != 1) else "v2"
    return Fact("toggles", f"residual {on.residual}, {head}: {version}")


def _scale(experiment: Experiment) -> Fact:
    on = experiment.improvements
    if on.gradient_scale == 1:
        return Fact("gradient scale", "1 (off)")
    return Fact("gradient scale", f"{on.gradient_scale:g}, at the {on.gradient_scale_position}")


def _diagnosis(experiment: Experiment, data: _Data | None) -> Fact:
    diagnostics = experiment.diagnostics
    if diagnostics.preset == "off":
        return Fact("diagnosis", "off: nothing will be known of gradients and weights", "no")
    text = f"{diagnostics.preset}, step 1 and every {_every(diagnostics.every_steps, 'step')}"
    if data is not None:
        steps = _steps(experiment, data) * experiment.training.epochs
        n_observed = 1 + steps // diagnostics.every_steps - (diagnostics.every_steps == 1)
        text += f": {plural(n_observed, 'observation')}"
    return Fact("diagnosis", text)


def _epoch(experiment: Experiment, data: _Data | None) -> Fact:
    dataset = experiment.dataset
    if data is None:
        return Fact("epoch", "unknown without the data", "unknown")
    windows = data.n_recordings * dataset.windows_per_recording
    steps, batch = _steps(experiment, data), experiment.training.batch_size
    return Fact(
        "epoch",
        f"{windows} windows of {dataset.window_seconds:g} s in {plural(steps, 'step')} of {batch}"
        + (f" x {experiment.training.processes} processes" if experiment.training.processes > 1 else "")
        + f"; {plural(steps * experiment.training.epochs, 'step')} in all",
    )


def _every(n: int, noun: str) -> str:
    return noun if n == 1 else f"{n} {noun}s"


def _steps(experiment: Experiment, data: _Data) -> int:
    windows = data.n_recordings * experiment.dataset.windows_per_recording
    return math.ceil(windows / (experiment.training.batch_size * experiment.training.processes))


def _data(experiment: Experiment, paths: Paths) -> tuple[_Data | None, str]:
    dataset = experiment.dataset
    try:
        told = summary(dataset, paths)
        size = f"{told.n_subjects} subjects, {told.n_recordings} recordings, {told.minutes:.0f} min"
        if isinstance(dataset, Simulated):
            return _Data(dataset.n_chans, dataset.n_subjects, told.n_recordings, f"simulated: {size}"), ""
        corpus = open_corpus(dataset, paths)
        leaked = (
            "no segment leaked" if not told.leaked_segments else f"{told.leaked_segments} segments leaked"
        )
        text = f"{dataset.path}: {size}, {corpus.n_chans} channels, {leaked}"
        return _Data(corpus.n_chans, len(corpus.subjects), len(corpus.train), text), ""
    except DataError as error:
        return None, str(error).splitlines()[0]
