"""Several processes on one machine, over gloo; none of this needs a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
import shared_tasks
import torch
from tests.processes import is_running, still_running

from ablab.data.corpus import Corpus, Recording
from ablab.errors import WorkerDiedError
from ablab.spec.trial import Trial
from ablab.training.checkpoint import load
from ablab.training.evaluate import Setting, predict
from ablab.training.loop import never
from ablab.training.observer import Observer
from ablab.training.processes import in_processes
from ablab.training.run import Outcome, run

HERE = Path(__file__).parent
N = 3


@pytest.fixture(autouse=True)
def tasks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))


class Together(NamedTuple):
    got: list[dict[str, Any]]
    """By process."""
    alone: Outcome
    """Of one process with the effective batch size."""
    folder: Path
    trial: Trial
    corpus: Corpus
    recordings: tuple[Recording, ...]
    setting: Setting
    told: Any
    told_alone: Any


@pytest.fixture
def together(
    corpus: Corpus, make_trial: Callable[..., Trial], make_recorder: Callable[[], Any], tmp_path: Path
) -> Together:
    """Three processes, and one, train the same: no dropout, no BatchNorm, steps of plain gradient descent."""
    corpus = replace(corpus, train=corpus.train[:2])
    changes = {
        # 2 recordings x 4 windows: a step of 3 x 2, and one of 2, which leaves one process without a window.
        "dataset": {"windows_per_recording": 4},
        "model": {"drop_prob": 0.0, "n_layers": 0},
        "diagnostics": {"preset": "cheap", "every_steps": 1},
    }
    training = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 4, "clip_norm": 1.0}
    trial = make_trial(**changes, training={**training, "batch_size": 2, "processes": N})
    large = make_trial(**changes, training={**training, "batch_size": 6})
    # 20 windows of 64 samples each but for the last, which is shorter: 101 windows are 3 batches and a rest.
    rng = np.random.default_rng(3)
    recordings = tuple(
        Recording(
            "ann" if i % 2 else "bob",
            str(i),
            rng.standard_normal((n_times, 6)).astype(np.float32),
            rng.standard_normal((n_times, 1)).astype(np.float32),
        )
        for i, n_times in enumerate([1280, 1280, 1280, 1280, 1300, 40])
    )
    setting = Setting(64, 128, 4, "float32", torch.device("cpu"), corpus.subjects)
    told, told_alone = make_recorder(), make_recorder()
    arguments = (trial, corpus, recordings, setting, tmp_path)
    got = in_processes(
        N, shared_tasks.everything, arguments, folder=tmp_path, observer=told, asked_to_stop=never
    )
    alone = run(large, corpus, tmp_path / "alone", told_alone, device="cpu")
    return Together(got, alone, tmp_path, trial, corpus, recordings, setting, told, told_alone)


@pytest.mark.slow
def test_several_processes_are_as_one(together: Together) -> None:
    _values_go_round(together.got)
    _wrapped_modules_have_the_mean_gradient(together.got)
    _predictions_are_those_of_one_process_to_the_bit(together)
    _scores_are_those_of_one_process_on_the_same_checkpoint_to_the_bit(together)
    _training_is_that_of_one_process_with_the_effective_batch(together)
    _the_first_process_alone_reports(together)


def _values_go_round(got: list[dict[str, Any]]) -> None:
    for own in got:
        assert own["gather"] == ["of 0", "of 1", "of 2"]
        assert own["first"] == 10
        assert own["any"] == (True, False)
        assert own["mean"] == [1.0, 1.0]


def _wrapped_modules_have_the_mean_gradient(got: list[dict[str, Any]]) -> None:
    for own in got:
        assert own["weights"] == [0.0, 0.0]  # the first one's, and so the statistics, when told to
        assert own["statistics"] == [0.0, 0.0]
        assert own["gradient"] == [1.0, 10.0]
        assert own["unreached"] is None


def _predictions_are_those_of_one_process_to_the_bit(together: Together) -> None:
    trial, corpus = together.trial, together.corpus
    decoder = shared_tasks.decoder_of(trial, corpus)
    expected = predict(decoder, together.recordings, together.setting)  # type: ignore[arg-type]
    for own in together.got:
        for prediction, alone in zip(own["predictions"], expected, strict=True):
            assert prediction.tobytes() == alone.tobytes()


def _scores_are_those_of_one_process_on_the_same_checkpoint_to_the_bit(together: Together) -> None:
    """The whole of it, BatchNorm and all, is in test_together."""
    outcomes = [own["outcome"] for own in together.got]
    varying = {"seconds", "throughput/windows_per_second", "throughput/data_wait_share", "memory/peak_mib"}
    for outcome in outcomes:
        assert outcome.subjects == outcomes[0].subjects
        assert {name: value for name, value in outcome.metrics.items() if name not in varying} == {
            name: value for name, value in outcomes[0].metrics.items() if name not in varying
        }


def _training_is_that_of_one_process_with_the_effective_batch(together: Together) -> None:
    shared, alone = load(together.folder / "best.pt"), load(together.folder / "alone" / "best.pt")
    assert shared.facts.step == alone.facts.step
    for name, tensor in alone.weights.items():
        torch.testing.assert_close(shared.weights[name], tensor, rtol=1e-4, atol=1e-6)
    for curve in ("train/loss", "gradient/norm", "validation/pearson", "gradient/ratio"):
        told, told_alone = together.told.curves[curve], together.told_alone.curves[curve]
        assert [step for step, _ in told] == [step for step, _ in told_alone]
        values = [value for _, value in told_alone]
        assert [value for _, value in told] == pytest.approx(values, rel=1e-4)


def _the_first_process_alone_reports(together: Together) -> None:
    told, told_alone = together.told, together.told_alone
    assert told.facts["processes"] == N
    assert told.facts["training/effective_batch"] == told_alone.facts["training/effective_batch"] == 6
    assert told.facts["steps"] == told_alone.facts["steps"] == 8
    assert told.epochs == told_alone.epochs
    assert told.drawn == told_alone.drawn
    names = {"best.pt", "per_subject.csv", "predictions.npz"}
    assert {path.name for path in together.folder.iterdir() if path.is_file()} == names


def test_a_process_that_raises_ends_all_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="seven by nothing") as caught:
        in_processes(
            2,
            shared_tasks.one_raises,
            (),
            folder=tmp_path,
            observer=Observer(),
            asked_to_stop=never,
        )
    text = "".join(traceback.format_exception(caught.value))
    assert "Raised in process 1 of 2:" in text
    assert 'raise ZeroDivisionError("seven by nothing")' in text
    assert _children() == []


def test_a_process_that_dies_ends_all_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError, match="process 1 of 2 was killed by signal 9"):
        in_processes(
            2,
            shared_tasks.one_dies,
            (),
            folder=tmp_path,
            observer=Observer(),
            asked_to_stop=never,
        )
    assert _children() == []


def test_processes_end_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    code = (
        "import sys; from pathlib import Path; import shared_tasks\n"
        "from ablab.training.observer import Observer; from ablab.training.loop import never\n"
        "from ablab.training.processes import in_processes\n"
        "file = Path(sys.argv[1])\n"
        "in_processes(2, shared_tasks.sleeps, (file,), folder=file.parent, observer=Observer(),"
        " asked_to_stop=never)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, str(file)])
    try:
        _wait_for(file.exists)
        pids = [int(pid) for pid in file.read_text().split()]
        living = [psutil.Process(pid) for pid in pids]
        living += [process for rank in living for process in rank.parents()[:1]]  # torchrun
        assert len(pids) == 2
    finally:
        caller.kill()
        caller.wait()
    assert still_running(living, timeout=10) == []


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if is_running(process) and any("ablab.training.rank" in part for part in process.cmdline())
    ]
