"""A trial trained by two processes, with everything in it that could differ between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablab.data.datasets import open_corpus
from ablab.errors import TrialError
from ablab.models.build import build_model
from ablab.paths import Paths
from ablab.spec.trial import Trial
from ablab.tracking.provenance import code_fingerprint
from ablab.training.checkpoint import load
from ablab.training.evaluate import Setting, evaluate
from ablab.training.loop import never
from ablab.training.observer import Observer
from ablab.training.restart import Origin, find
from ablab.training.run import Outcome
from ablab.training.together import run_together

ORIGIN = Origin("f" * 32, code_fingerprint(), "cpu", 2)
VARYING = ("seconds", "throughput/windows_per_second", "throughput/data_wait_share", "memory/peak_mib")


class StopAt(Observer):
    """Asks for an end once a step was measured."""

    def __init__(self, step: int) -> None:
        self.asked = False
        self._step = step

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.asked = self.asked or step >= self._step

    def asked_to_stop(self) -> bool:
        return self.asked


def weights(folder: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in load(folder / "best.pt").weights.items()}


def comparable(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.metrics.items() if name not in VARYING}


@pytest.fixture
def trial(make_trial: Callable[..., Trial]) -> Trial:
    # BatchNorm and dropout; 8 x 5 windows in steps of 2 x 3: the last step has 4.
    return make_trial(
        dataset={"kind": "simulated", "n_subjects": 8, "minutes": 1.0, "n_chans": 4},
        training={"processes": 2, "batch_size": 3, "epochs": 3, "evaluate_every": 1},
        diagnostics={"preset": "cheap", "every_steps": 1},
    )


@pytest.fixture
def go(trial: Trial, paths: Paths, tmp_path: Path) -> Callable[..., Outcome]:
    def call(name: str, observer: Observer, asked_to_stop: Callable[[], bool] = never) -> Outcome:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return run_together(
            trial, paths.root, folder, observer, device="cpu", origin=ORIGIN, asked_to_stop=asked_to_stop
        )

    return call


@pytest.mark.slow
def test_evaluation_and_resuming_are_exact(
    go: Callable[..., Outcome], trial: Trial, paths: Paths, tmp_path: Path, recorder: Any
) -> None:
    open_corpus(trial.cell.experiment.dataset, paths)  # as the worker does, before any process needs it
    whole = go("whole", recorder)
    _scores_are_those_of_one_process(whole, trial, paths, tmp_path / "whole")
    assert [step for step, _ in recorder.curves["validation/pearson"]] == [7, 14, 21]

    stopping = StopAt(9)
    with pytest.raises(KeyboardInterrupt):
        go("parts", stopping, stopping.asked_to_stop)
    restart = find(tmp_path / "parts", ORIGIN)
    assert 9 <= restart.step < 21
    assert restart.state is not None
    assert not torch.equal(*(own["random"]["cpu"] for own in restart.state["processes"]))
    resumed = go("parts", Observer())
    assert comparable(resumed) == comparable(whole)
    assert resumed.subjects == whole.subjects
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_processes_of_other_code_than_the_trials_own_train_nothing(
    trial: Trial, paths: Paths, tmp_path: Path
) -> None:
    open_corpus(trial.cell.experiment.dataset, paths)
    other = replace(ORIGIN, code="of yesterday")
    with pytest.raises(TrialError, match="the code was changed while the grid was running; run it again"):
        run_together(trial, paths.root, tmp_path, Observer(), device="cpu", origin=other, asked_to_stop=never)


@pytest.mark.gpu
def test_gpus_give_the_scores_of_one_process(trial: Trial, paths: Paths, tmp_path: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("fewer than two CUDA devices")
    origin = Origin("f" * 32, code_fingerprint(), "cuda", 2)
    outcome = run_together(trial, paths.root, tmp_path, Observer(), origin=origin, asked_to_stop=never)
    experiment = trial.cell.experiment
    corpus = open_corpus(experiment.dataset, paths)
    decoder = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    decoder.load_state_dict(load(tmp_path / "best.pt").weights)
    setting = Setting(64, 128, 3, "float32", torch.device("cuda"), corpus.subjects)
    test = evaluate(decoder.to("cuda"), corpus.test, setting, "test")
    assert outcome.metrics["test/pearson"] == pytest.approx(test.scores.mean, abs=1e-5)


def _scores_are_those_of_one_process(outcome: Outcome, trial: Trial, paths: Paths, folder: Path) -> None:
    experiment = trial.cell.experiment
    corpus = open_corpus(experiment.dataset, paths)
    decoder = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    decoder.load_state_dict(load(folder / "best.pt").weights)
    setting = Setting(64, 128, 3, "float32", torch.device("cpu"), corpus.subjects)
    validation = evaluate(decoder, corpus.validation, setting, "validation")
    assert outcome.metrics["validation/pearson"] == validation.scores.mean
    test = evaluate(decoder, corpus.test, setting, "test")
    assert outcome.metrics["test/pearson"] == test.scores.mean
    assert {score.subject: score.test for score in outcome.subjects} == {
        name: score.r for name, score in test.scores.subjects.items()
    }
    stored = np.load(folder / "predictions.npz")
    for number, prediction in enumerate(test.predictions):
        assert stored[f"prediction_{number}"].tobytes() == prediction.tobytes()
