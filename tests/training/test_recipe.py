"""What a spec says about rates, decay and stopping, seen in what training does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ablab.data.corpus import Corpus
from ablab.models.build import build_model
from ablab.spec.trial import Trial
from ablab.training.checkpoint import load
from ablab.training.observer import Observer
from ablab.training.parameter_groups import parts, undecayed
from ablab.training.restart import Origin, find
from ablab.training.run import run
from ablab.training.seeds import Stream, seed_torch

MakeTrial = Callable[..., Trial]

SGD_ONE_STEP = {
    "epochs": 1,
    "batch_size": 100,
    "evaluate_every": 1,
    "optimizer": "sgd",
    "learning_rate": 0.01,
}


def changes(trial: Trial, corpus: Corpus, folder: Path) -> dict[str, torch.Tensor]:
    """What one training changed, by parameter."""
    experiment = trial.cell.experiment
    seed_torch(trial.seed, Stream.INITIALISATION)
    decoder = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    run(trial, corpus, folder, Observer(), device="cpu")
    weights = load(folder / "best.pt").weights
    return {name: weights[name] - parameter.detach() for name, parameter in decoder.named_parameters()}


def test_each_part_moves_by_its_own_rate(corpus: Corpus, make_trial: MakeTrial, tmp_path: Path) -> None:
    model = {"n_layers": 2}
    plain = changes(make_trial(model=model, training=SGD_ONE_STEP), corpus, tmp_path / "a")
    rates = {"front": 0.0, "rear": 0.5, "head": 2.0}
    trial = make_trial(model=model, training={**SGD_ONE_STEP, "layer_rates": rates})
    scaled = changes(trial, corpus, tmp_path / "b")
    experiment = trial.cell.experiment
    decoder = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    groups = decoder.layer_groups()
    for group, part in parts(groups).items():
        for name in groups[group]:
            # w - rate * g is rounded to the spacing of w, and so is the change.
            torch.testing.assert_close(scaled[name], rates[part] * plain[name], rtol=1e-3, atol=1e-6)
    assert set(parts(groups).values()) == {"front", "rear", "head"}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_decay_moves_matrices_only(
    corpus: Corpus, make_trial: MakeTrial, tmp_path: Path, optimizer: str
) -> None:
    # The first step does not know the decay but by its own term, so what differs is decay alone. A large
    # eps, because Adam's first step is else the gradient's sign, which a decayed gradient may share.
    one_step = {**SGD_ONE_STEP, "optimizer": optimizer, "eps": 0.1}
    plain = changes(make_trial(training=one_step), corpus, tmp_path / "a")
    trial = make_trial(training={**one_step, "weight_decay": 0.5})
    decayed = changes(trial, corpus, tmp_path / "b")
    experiment = trial.cell.experiment
    spared = undecayed(
        build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    )
    for name in plain:
        assert torch.equal(plain[name], decayed[name]) is (name in spared), name


def stopping(patience: int, **training: object) -> dict[str, object]:
    return {
        "epochs": 40,
        "evaluate_every": 1,
        "early_stopping": {"patience_evaluations": patience},
        **training,
    }


def test_stops_after_so_many_evaluations_without_a_rise(
    corpus: Corpus, make_trial: MakeTrial, make_recorder: type[Observer], tmp_path: Path
) -> None:
    # A rate this high makes validation r fall again.
    recorder, patient = make_recorder(), make_recorder()
    trial = make_trial(training=stopping(3, learning_rate=0.3))
    outcome = run(trial, corpus, tmp_path / "a", recorder, device="cpu")
    curve = [value for _, value in recorder.curves["validation/pearson"]]
    best = curve.index(max(curve)) + 1
    assert outcome.metrics["best_epoch"] == best
    assert outcome.metrics["epochs_trained"] == len(curve) == best + 3 < 40
    # No earlier stretch was long enough, and what was trained is the beginning of the longer training.
    longest = {"epochs": len(curve), "early_stopping": None}
    plain = make_trial(training={**stopping(3, learning_rate=0.3), **longest})
    run(plain, corpus, tmp_path / "b", patient, device="cpu")
    assert patient.curves["validation/pearson"] == recorder.curves["validation/pearson"]


def test_patience_counts_evaluations_not_epochs(
    corpus: Corpus, make_trial: MakeTrial, tmp_path: Path
) -> None:
    # Weights that never move give the same r at every evaluation: only the first is a rise.
    frozen = {"optimizer": "sgd", "learning_rate": 1e-30, "evaluate_every": 4}
    trial = make_trial(model={"n_layers": 0}, training=stopping(2, **frozen))
    outcome = run(trial, corpus, tmp_path, Observer(), device="cpu")
    assert outcome.metrics["epochs_trained"] == 12
    assert outcome.metrics["best_epoch"] == 4


def test_a_trial_that_stopped_early_is_over_when_it_is_resumed(
    corpus: Corpus, make_trial: MakeTrial, make_recorder: type[Observer], tmp_path: Path
) -> None:
    trial = make_trial(training=stopping(3, learning_rate=0.3))
    origin = Origin(trial.key, "c0de", "cpu")
    first = run(trial, corpus, tmp_path, Observer(), device="cpu", restart=find(tmp_path, origin))
    recorder = make_recorder()
    second = run(trial, corpus, tmp_path, recorder, device="cpu", restart=find(tmp_path, origin))
    assert recorder.curves == {}
    assert second.subjects == first.subjects
