"""A trial that is interrupted, in whatever way, ends with the bits of one that never was."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablab.data.corpus import Corpus
from ablab.models.conformer import ConformerDecoder
from ablab.spec.trial import Trial
from ablab.training import checkpoint
from ablab.training.observer import Observer
from ablab.training.restart import Origin, Restart, find
from ablab.training.run import Outcome, run

MakeTrial = Callable[..., Trial]
ORIGIN = Origin("f" * 32, "c0de", "cpu")
VARYING = ("seconds", "throughput/", "memory/")
EVERY_STEP, NEVER = 1e-9, 1e9

# Everything that has a state: dropout, momentum, two learning rates, a schedule, quantities with a memory.
RICH = {
    "model": {"drop_prob": 0.2},
    "improvements": {"residual": "gated", "mlp_head": True, "gradient_scale": 2.0},
    "diagnostics": {"preset": "full", "every_steps": 3},
}
TRAINING = {
    "epochs": 6,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "layer_rates": {"front": 2.0},
    "schedule": {"kind": "cosine", "warmup_epochs": 0.5},
}
"""6 epochs of 4 steps, evaluated after every second: 24 steps, 3 evaluations."""


def opened(folder: Path) -> Restart:
    return find(folder, ORIGIN)


def same_files(one: Path, other: Path) -> None:
    first, second = checkpoint.load(one / "best.pt"), checkpoint.load(other / "best.pt")
    assert replace(first.facts, experiment="") == replace(second.facts, experiment="")
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    for name in ("per_subject.csv", "predictions.npz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def same(one: Outcome, other: Outcome) -> None:
    for name, value in one.metrics.items():
        if not name.startswith(VARYING):
            assert other.metrics[name] == value, name
    assert one.metrics.keys() == other.metrics.keys()
    assert one.subjects == other.subjects


def last_weights(folder: Path) -> dict[str, torch.Tensor]:
    restart = opened(folder)
    assert restart.state is not None
    return dict(restart.state["weights"])


class StopAt:
    """Asks the trial to stop after so many questions, which are asked once per step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def curves(*observers: Observer) -> dict[str, dict[int, float]]:
    """What a store that keeps the first value of a step holds in the end."""
    kept: dict[str, dict[int, float]] = {}
    for observer in observers:
        for name, points in observer.curves.items():
            for step, value in points:
                kept.setdefault(name, {}).setdefault(step, value)
    return {name: points for name, points in kept.items() if not name.startswith(VARYING)}


@pytest.fixture
def rich_trial(make_trial: MakeTrial) -> Callable[[float], Trial]:
    return lambda minutes: make_trial(**RICH, training={**TRAINING, "checkpoint_minutes": minutes})


@pytest.mark.parametrize("minutes", [EVERY_STEP, NEVER])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_stopping_at_every_few_steps_changes_no_bit(
    corpus: Corpus,
    make_trial: MakeTrial,
    make_recorder: type[Observer],
    tmp_path: Path,
    minutes: float,
    optimizer: str,
) -> None:
    chosen = {"optimizer": optimizer, "momentum": 0.5} if optimizer == "sgd" else {}
    trial = make_trial(**RICH, training={**TRAINING, **chosen, "checkpoint_minutes": minutes})
    plain = make_recorder()
    whole = run(trial, corpus, tmp_path / "a", plain, device="cpu", restart=opened(tmp_path / "a"))

    recorders = []
    outcome = None
    while outcome is None:
        recorders.append(make_recorder())
        try:
            outcome = run(
                trial,
                corpus,
                tmp_path / "b",
                recorders[-1],
                device="cpu",
                restart=opened(tmp_path / "b"),
                asked_to_stop=StopAt(5),
            )
        except KeyboardInterrupt:
            assert opened(tmp_path / "b").step == 5 * len(recorders)
    assert len(recorders) == 5
    same(whole, outcome)
    same_files(tmp_path / "a", tmp_path / "b")
    assert curves(*recorders) == curves(plain)
    first, second = last_weights(tmp_path / "a"), last_weights(tmp_path / "b")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_saving_changes_no_bit(corpus: Corpus, rich_trial: Callable[[float], Trial], tmp_path: Path) -> None:
    bare = run(rich_trial(NEVER), corpus, tmp_path / "a", Observer(), device="cpu")
    assert not list((tmp_path / "a").glob("restart*"))
    saving = opened(tmp_path / "b")
    same(bare, run(rich_trial(EVERY_STEP), corpus, tmp_path / "b", Observer(), device="cpu", restart=saving))
    same_files(tmp_path / "a", tmp_path / "b")


class Reporting(Observer):
    """Tells another process of every metric and flush."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        os.write(self._pipe, b".")

    def flush(self) -> None:
        os.write(self._pipe, b".")


def killed_after(reports: int, trial: Trial, corpus: Corpus, folder: Path) -> bool:
    """Whether SIGKILL met the trial, in its own process, after so many reports; False where it was done."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reader)
            run(trial, corpus, folder, Reporting(writer), device="cpu", restart=opened(folder))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    for _ in range(reports):
        if not os.read(reader, 1):
            break
    os.kill(process, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


@pytest.mark.parametrize(("minutes", "seed"), [(EVERY_STEP, 0), (EVERY_STEP, 1), (NEVER, 2), (NEVER, 3)])
def test_kill_9_at_random_steps_changes_no_bit(
    corpus: Corpus, rich_trial: Callable[[float], Trial], tmp_path: Path, minutes: float, seed: int
) -> None:
    trial = rich_trial(minutes)
    whole = run(trial, corpus, tmp_path / "a", Observer(), device="cpu", restart=opened(tmp_path / "a"))
    rng = random.Random(seed)
    kills = 0
    for _ in range(6):
        kills += killed_after(rng.randint(2, 9), trial, corpus, tmp_path / "b")
    assert kills >= 2
    outcome = run(trial, corpus, tmp_path / "b", Observer(), device="cpu", restart=opened(tmp_path / "b"))
    same(whole, outcome)
    same_files(tmp_path / "a", tmp_path / "b")


def test_a_damaged_newest_state_costs_time_and_no_bit(
    corpus: Corpus, rich_trial: Callable[[float], Trial], make_recorder: type[Observer], tmp_path: Path
) -> None:
    trial = rich_trial(EVERY_STEP)
    whole = run(trial, corpus, tmp_path / "a", Observer(), device="cpu")
    with pytest.raises(KeyboardInterrupt):
        run(
            trial,
            corpus,
            tmp_path / "b",
            Observer(),
            device="cpu",
            restart=opened(tmp_path / "b"),
            asked_to_stop=StopAt(10),
        )
    newest = tmp_path / "b" / "restart-0000000010.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    restart = opened(tmp_path / "b")
    assert restart.step == 9
    recorder = make_recorder()
    same(whole, run(trial, corpus, tmp_path / "b", recorder, device="cpu", restart=restart))
    assert any("restart-0000000010.pt is damaged" in text for text in recorder.warnings)


class InterruptedValidation(Observer):
    """Ends the trial where its first epoch that is evaluated has been reported."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if "validation/pearson" in values:
            raise AssertionError("the evaluation was interrupted and must not be reported")


def test_an_interrupted_evaluation_is_done_again(
    corpus: Corpus, rich_trial: Callable[[float], Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = rich_trial(NEVER)
    whole = run(trial, corpus, tmp_path / "a", Observer(), device="cpu")

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ablab.training.loop.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restart = opened(tmp_path / "b")
            run(trial, corpus, tmp_path / "b", InterruptedValidation(), device="cpu", restart=restart)
    restart = opened(tmp_path / "b")
    assert restart.step == 8
    same(whole, run(trial, corpus, tmp_path / "b", Observer(), device="cpu", restart=restart))
    same_files(tmp_path / "a", tmp_path / "b")


def test_a_finished_training_is_only_tested(
    corpus: Corpus, rich_trial: Callable[[float], Trial], make_recorder: type[Observer], tmp_path: Path
) -> None:
    trial = rich_trial(NEVER)
    whole = run(trial, corpus, tmp_path / "a", Observer(), device="cpu", restart=opened(tmp_path / "a"))
    (tmp_path / "a" / "best.pt").unlink()
    recorder = make_recorder()
    restart = opened(tmp_path / "a")
    assert restart.step == 24
    same(whole, run(trial, corpus, tmp_path / "a", recorder, device="cpu", restart=restart))
    assert recorder.curves == {}


def test_time_and_warnings_are_carried_over(
    corpus: Corpus, make_trial: MakeTrial, make_recorder: type[Observer], tmp_path: Path
) -> None:
    # Gradients of this loss are far below 1, which is said at the first evaluation, once.
    trial = make_trial(training={**TRAINING, "loss": {"kind": "mse_pearson", "weight": 0.0}})
    first, second = make_recorder(), make_recorder()
    with pytest.raises(KeyboardInterrupt):
        run(
            trial,
            corpus,
            tmp_path,
            first,
            device="cpu",
            restart=opened(tmp_path),
            asked_to_stop=StopAt(10),
        )
    assert any("Gradient/norm" in text for text in first.warnings)
    state = opened(tmp_path).state
    assert state is not None
    outcome = run(trial, corpus, tmp_path, second, device="cpu", restart=opened(tmp_path))
    assert second.warnings[: len(first.warnings)] == first.warnings
    assert outcome.metrics["seconds"] > state["seconds"] > 0


@pytest.mark.gpu
def test_a_trial_on_a_gpu_goes_on_where_it_stopped(
    corpus: Corpus,
    rich_trial: Callable[[float], Trial],
    make_recorder: type[Observer],
    tmp_path: Path,
    cuda: str,
) -> None:
    trial, origin = rich_trial(NEVER), replace(ORIGIN, device=cuda)
    whole, parts = make_recorder(), [make_recorder(), make_recorder()]
    run(trial, corpus, tmp_path / "a", whole, restart=find(tmp_path / "a", origin))
    with pytest.raises(KeyboardInterrupt):
        stop = StopAt(9)
        run(trial, corpus, tmp_path / "b", parts[0], restart=find(tmp_path / "b", origin), asked_to_stop=stop)
    assert find(tmp_path / "b", origin).step == 9
    run(trial, corpus, tmp_path / "b", parts[1], restart=find(tmp_path / "b", origin))
    resumed, expected = curves(*parts), curves(whole)
    assert resumed.keys() == expected.keys()
    for name, points in expected.items():
        assert resumed[name] == pytest.approx(points, rel=1e-3, abs=1e-5), name


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("residency", ["device", "disk"])
def test_replayed_steps_are_those_as_written_and_go_on_where_they_stopped(
    corpus: Corpus,
    make_trial: MakeTrial,
    make_recorder: type[Observer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    residency: str,
    cuda: str,
) -> None:
    # Batches of 4 and of 3 windows, dropout, a gate, clipping, several evaluations. From disk, a thread
    # copies batches while steps are recorded.
    training = {**TRAINING, "compile": True, "checkpoint_minutes": NEVER}
    trial = make_trial(**RICH, training=training, dataset={"residency": residency})
    origin = replace(ORIGIN, device=cuda)
    replayed, written, parts = make_recorder(), make_recorder(), [make_recorder(), make_recorder()]
    run(trial, corpus, tmp_path / "a", replayed)
    with pytest.raises(KeyboardInterrupt):
        stop = StopAt(13)
        run(trial, corpus, tmp_path / "c", parts[0], restart=find(tmp_path / "c", origin), asked_to_stop=stop)
    run(trial, corpus, tmp_path / "c", parts[1], restart=find(tmp_path / "c", origin))
    monkeypatch.setattr(ConformerDecoder, "is_replayable", False)
    run(trial, corpus, tmp_path / "b", written)
    expected = curves(written)
    assert "gate/mean" in expected
    for found in (curves(replayed), curves(*parts)):
        assert found.keys() == expected.keys()
        for name, points in expected.items():
            assert found[name] == pytest.approx(points, rel=1e-2, abs=1e-4), name
