from __future__ import annotations

import csv
import hashlib
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ablab.data.corpus import Corpus, Recording
from ablab.data.datasets import open_corpus
from ablab.errors import DataError, InputError, NonFiniteLossError
from ablab.models.build import build_model
from ablab.paths import Paths
from ablab.scoring.aggregate import subject_means
from ablab.scoring.segments import segment_pearson
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial
from ablab.training.checkpoint import load
from ablab.training.evaluate import Setting, evaluate
from ablab.training.observer import Observer, Observers
from ablab.training.run import Outcome, find_device, run

MakeTrial = Callable[..., Trial]
CPU = torch.device("cpu")
VARYING = ("seconds", "throughput/windows_per_second", "throughput/data_wait_share", "memory/peak_mib")


def weights_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load(folder / "best.pt").weights.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def comparable(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.metrics.items() if name not in VARYING}


@pytest.fixture
def go(corpus: Corpus, tmp_path: Path, recorder: Observer) -> Callable[..., Outcome]:
    """Run a trial in a folder of its own, on the CPU."""

    def call(
        trial: Trial, name: str = "run", observer: Observer = recorder, data: Corpus = corpus
    ) -> Outcome:
        return run(trial, data, tmp_path / name, observer, device="cpu")

    return call


def test_learns_and_reports(go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer) -> None:
    outcome = go(make_trial(training={"epochs": 24, "evaluate_every": 12}))
    assert outcome.metrics["test/pearson"] > 0.5
    assert outcome.metrics["test/pearson"] > outcome.metrics["test/chance_p95"]
    assert set(outcome.metrics) >= {
        "test/pearson",
        "test/chance_p95",
        "validation/pearson",
        "best_epoch",
        "train/loss",
        "throughput/windows_per_second",
        "model/parameters",
        "seconds",
    }


def test_curves_and_progress(go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer) -> None:
    # 3 recordings x 5 windows in batches of 4: 4 steps an epoch, the last with 3 windows.
    outcome = go(make_trial(training={"epochs": 5, "evaluate_every": 2}))
    every_epoch = [4, 8, 12, 16, 20]
    for name in ("train/loss", "gradient/norm", "learning_rate", "throughput/windows_per_second"):
        assert [step for step, _ in recorder.curves[name]] == every_epoch
    for name in ("validation/pearson", "validation/loss"):
        assert [step for step, _ in recorder.curves[name]] == [8, 16, 20]
    assert recorder.epochs == [(epoch, 5, 4 * epoch) for epoch in range(1, 6)]
    assert recorder.facts["steps"] == 20
    assert recorder.facts["device"] == "cpu"
    assert recorder.facts["model/parameters"] == outcome.metrics["model/parameters"]
    assert outcome.metrics["train/loss"] == recorder.curves["train/loss"][-1][1]


def test_schedule_sets_the_rate_of_every_step(
    go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer
) -> None:
    schedule = {"kind": "step", "step_epochs": 2, "gamma": 0.5}
    go(make_trial(training={"epochs": 5, "schedule": schedule}))
    rates = [value for _, value in recorder.curves["learning_rate"]]
    assert rates == pytest.approx([3e-3, 3e-3, 1.5e-3, 1.5e-3, 0.75e-3])


def test_the_same_trial_gives_the_same_bits(
    go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path
) -> None:
    first, second = go(make_trial(), "a"), go(make_trial(), "b")
    assert weights_hash(tmp_path / "a") == weights_hash(tmp_path / "b")
    assert comparable(first) == comparable(second)
    assert first.subjects == second.subjects
    other = go(make_trial(seed=1), "c")
    assert weights_hash(tmp_path / "c") != weights_hash(tmp_path / "a")
    assert other.metrics["test/pearson"] != first.metrics["test/pearson"]


def test_what_ran_before_in_the_process_does_not_matter(
    go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path
) -> None:
    go(make_trial(), "a")
    torch.manual_seed(99)
    torch.rand(5)
    state = torch.get_rng_state()
    go(make_trial(), "b")
    assert weights_hash(tmp_path / "a") == weights_hash(tmp_path / "b")
    assert torch.equal(torch.get_rng_state(), state)


class Threads(Observer):
    """Notes how many threads torch computes with, and ends the trial."""

    def __init__(self) -> None:
        self.seen = 0

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        self.seen = torch.get_num_threads()
        raise InterruptedError


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_those_of_the_spec(
    go: Callable[..., Outcome], make_trial: MakeTrial, threads: int
) -> None:
    before = torch.get_num_threads()
    observer = Threads()
    with pytest.raises(InterruptedError):
        go(make_trial(training={"threads": threads}), "run", observer)
    assert observer.seen == threads
    assert torch.get_num_threads() == before


class Curious(Observer):
    """Looks at everything and draws from no generator of the trial."""

    def histograms(self, step: int, values: Mapping[str, torch.Tensor]) -> None:
        for value in values.values():
            torch.histc(value.detach().float(), bins=8)


@pytest.mark.parametrize("preset", ["cheap", "full"])
def test_diagnostics_and_observers_do_not_disturb(
    go: Callable[..., Outcome],
    make_trial: MakeTrial,
    make_recorder: type[Observer],
    tmp_path: Path,
    preset: str,
) -> None:
    bare = go(make_trial(), "bare", Observer())
    watchers = Observers([make_recorder(), Curious()])
    watched = go(make_trial(diagnostics={"preset": preset, "every_steps": 1}), "watched", watchers)
    assert weights_hash(tmp_path / "bare") == weights_hash(tmp_path / "watched")
    assert watched.subjects == bare.subjects
    assert {name: watched.metrics[name] for name in comparable(bare)} == comparable(bare)


def test_diagnostics_reach_the_observer(
    go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer
) -> None:
    outcome = go(make_trial(diagnostics={"preset": "full", "every_steps": 4}))
    assert "gradient/ratio" in recorder.curves
    assert outcome.metrics["weights/front_change"] > 0
    assert any(name.startswith("Gradient/layer_stack.0.") for name in recorder.drawn)
    assert any(name.startswith("Weight/layer_stack.0.") for name in recorder.drawn)


class Sealed:
    """A test recording that notes when it is read."""

    def __init__(self, recording: Recording, reads: list[str]) -> None:
        self._recording = recording
        self._reads = reads
        self.subject, self.name = recording.subject, recording.name

    @property
    def eeg(self) -> NDArray[np.float32]:
        self._reads.append("read")
        return self._recording.eeg

    @property
    def envelope(self) -> NDArray[np.float32]:
        self._reads.append("read")
        return self._recording.envelope

    @property
    def n_times(self) -> int:
        self._reads.append("read")
        return self._recording.n_times


class Seal(Observer):
    def __init__(self) -> None:
        self.events: list[str] = []

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        self.events.append("begin")

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        self.events.append("last epoch" if epoch == epochs else "epoch")


def test_the_test_set_is_sealed_until_training_is_over(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus
) -> None:
    seal = Seal()
    sealed = tuple(Sealed(recording, seal.events) for recording in corpus.test)
    outcome = go(make_trial(), "sealed", seal, replace(corpus, test=sealed))
    assert [event for event, _ in itertools.groupby(seal.events)] == ["begin", "epoch", "last epoch", "read"]
    assert outcome.metrics["test/pearson"] == go(make_trial(), "open").metrics["test/pearson"]


def test_other_test_data_give_the_same_weights(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus, tmp_path: Path
) -> None:
    go(make_trial(), "a")
    go(make_trial(), "b", data=replace(corpus, test=corpus.test[1:]))
    assert weights_hash(tmp_path / "a") == weights_hash(tmp_path / "b")


def test_best_checkpoint_is_the_first_highest_validation_r(
    go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer, tmp_path: Path
) -> None:
    # A rate this high makes validation r fall again.
    outcome = go(make_trial(training={"epochs": 12, "evaluate_every": 1, "learning_rate": 0.3}))
    curve = [value for _, value in recorder.curves["validation/pearson"]]
    best = int(np.argmax(curve))
    assert best + 1 < len(curve), "the case needs a best epoch before the last"
    facts = load(tmp_path / "run" / "best.pt").facts
    assert outcome.metrics["best_epoch"] == facts.epoch == best + 1
    assert outcome.metrics["validation/pearson"] == facts.validation_pearson == curve[best]


def test_equal_scores_keep_the_first(
    go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer
) -> None:
    # Steps too small to change a float32 weight: every evaluation gives the same r. BatchNorm's running
    # statistics would still move, so a decoder without blocks is used.
    trial = make_trial(model={"n_layers": 0}, training={"optimizer": "sgd", "learning_rate": 1e-30})
    outcome = go(trial)
    curve = [value for _, value in recorder.curves["validation/pearson"]]
    assert len(curve) == 2
    assert curve[0] == curve[1]
    assert outcome.metrics["best_epoch"] == 2


def test_test_scores_are_those_of_the_best_checkpoint(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus, tmp_path: Path
) -> None:
    trial = make_trial(training={"epochs": 6, "evaluate_every": 1, "learning_rate": 0.05})
    outcome = go(trial)
    checkpoint = load(tmp_path / "run" / "best.pt")
    experiment = trial.cell.experiment
    assert experiment.model_validate_json(checkpoint.facts.experiment) == experiment
    decoder = build_model(
        experiment.model, experiment.improvements, checkpoint.facts.n_chans, len(checkpoint.facts.subjects)
    )
    decoder.load_state_dict(checkpoint.weights)
    decoder.eval()
    kept = np.load(tmp_path / "run" / "predictions.npz")
    segment_r = []
    for number, recording in enumerate(corpus.test):
        eeg = torch.from_numpy(recording.eeg)
        column = torch.tensor([corpus.subjects.index(recording.subject)])
        with torch.no_grad():
            # 330 samples: five windows of 64, then the last 10 from a window that ends with the recording.
            parts = [decoder(eeg[None, k * 64 : k * 64 + 64], column)[0, :, 0] for k in range(5)]
            parts.append(decoder(eeg[None, 266:], column)[0, -10:, 0])
        prediction = torch.cat(parts).numpy()
        np.testing.assert_allclose(kept[f"prediction_{number}"], prediction, atol=1e-5)
        np.testing.assert_array_equal(kept[f"target_{number}"], recording.envelope[:, 0])
        segment_r.append(segment_pearson(prediction, recording.envelope[:, 0], 128))
    assert kept["subject"].tolist() == ["ann", "ann", "bob"]
    assert kept["recording"].tolist() == ["one", "two", "one"]
    expected = subject_means(segment_r, ["ann", "ann", "bob"])
    assert outcome.metrics["test/pearson"] == pytest.approx(expected.mean, abs=1e-4)
    for subject in outcome.subjects:
        assert subject.test == pytest.approx(expected.subjects[subject.subject].r, abs=1e-4)


def test_per_subject_table(go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path) -> None:
    outcome = go(make_trial())
    assert [subject.subject for subject in outcome.subjects] == ["ann", "bob"]
    ann, bob = outcome.subjects
    assert (ann.n_recordings, ann.n_segments, bob.n_recordings, bob.n_segments) == (2, 4, 1, 2)
    assert outcome.metrics["test/pearson"] == pytest.approx((ann.test + bob.test) / 2, abs=1e-15)
    assert ann.validation is not None
    assert bob.validation is not None
    assert outcome.metrics["validation/pearson"] == pytest.approx((ann.validation + bob.validation) / 2)
    with (tmp_path / "run" / "per_subject.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(SubjectScore)]
    assert [float(row["test"]) for row in rows] == [ann.test, bob.test]
    assert [int(row["n_segments"]) for row in rows] == [4, 2]


def test_a_subject_without_validation_data(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus, tmp_path: Path
) -> None:
    outcome = go(make_trial(), data=replace(corpus, validation=corpus.validation[:2]))
    assert outcome.subjects[1].validation is None
    with (tmp_path / "run" / "per_subject.csv").open() as file:
        assert [row["validation"] == "" for row in csv.DictReader(file)] == [False, True]


def test_artifacts_are_the_files_in_the_folder(
    go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path
) -> None:
    outcome = go(make_trial())
    assert {path.name for path in outcome.artifacts} == {"best.pt", "per_subject.csv", "predictions.npz"}
    assert sorted(outcome.artifacts) == sorted((tmp_path / "run").iterdir())


def test_a_loss_that_is_not_finite_ends_the_trial(
    go: Callable[..., Outcome], make_trial: MakeTrial, recorder: Observer
) -> None:
    trial = make_trial(training={"optimizer": "sgd", "learning_rate": 1e20, "loss": {"kind": "mse"}})
    with pytest.raises(NonFiniteLossError) as caught:
        go(trial)
    text = str(caught.value)
    assert "is not finite at step 2: loss" in text
    assert "learning rate 1e+20, gradient norm" in text
    assert text.endswith("try training.clip_norm=1.0 or a lower training.learning_rate")


def test_the_hint_knows_of_clipping(go: Callable[..., Outcome], make_trial: MakeTrial) -> None:
    training = {"optimizer": "sgd", "learning_rate": 1e38, "loss": {"kind": "mse"}, "clip_norm": 5.0}
    with pytest.raises(NonFiniteLossError, match=r"try a training\.clip_norm below 5 or a lower"):
        go(make_trial(training=training))


def test_clipping_bounds_the_update_and_not_the_measured_norm(
    go: Callable[..., Outcome], make_trial: MakeTrial, make_recorder: type[Observer], tmp_path: Path
) -> None:
    told = {}
    for name, clip_norm in (("free", None), ("loose", 1e6), ("tight", 1e-3)):
        recorder = make_recorder()
        training = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 1, "clip_norm": clip_norm}
        go(make_trial(training=training), name, recorder)
        told[name] = recorder.curves["gradient/norm"][0][1]
    assert weights_hash(tmp_path / "free") == weights_hash(tmp_path / "loose")
    assert weights_hash(tmp_path / "free") != weights_hash(tmp_path / "tight")
    assert told["tight"] > 0.1


def test_warnings_reach_observer_and_log_once(
    go: Callable[..., Outcome],
    make_trial: MakeTrial,
    recorder: Observer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    training = {"epochs": 6, "evaluate_every": 1, "learning_rate": 1e-6}
    with caplog.at_level(logging.WARNING, logger="ablab"):
        go(make_trial(training={**training, "loss": {"kind": "mse_pearson", "weight": 500.0}}))
    assert [text for text in recorder.warnings if "is above 10" in text] == recorder.warnings[:1]
    assert recorder.warnings[0] in caplog.text


def test_silent_segments_are_left_out_and_said(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus, recorder: Observer
) -> None:
    envelope = corpus.test[0].envelope.copy()
    envelope[:128] = -0.5
    silent = replace(corpus.test[0], envelope=envelope)
    outcome = go(make_trial(), data=replace(corpus, test=(silent, *corpus.test[1:])))
    assert outcome.subjects[0].n_segments == 3
    assert "test: 1 segments left out of r, because their envelope is constant" in recorder.warnings


def test_bfloat16_is_close_to_float32(
    go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path
) -> None:
    full = go(make_trial(), "full")
    half = go(make_trial(training={"precision": "bfloat16"}), "half")
    assert weights_hash(tmp_path / "full") != weights_hash(tmp_path / "half")
    assert half.metrics["train/loss"] == pytest.approx(full.metrics["train/loss"], rel=0.1)
    assert all(
        tensor.dtype != torch.bfloat16 for tensor in load(tmp_path / "half" / "best.pt").weights.values()
    )


@pytest.mark.parametrize(
    "loss",
    [{"kind": "pearson"}, {"kind": "mse"}, {"kind": "huber_pearson"}, {"kind": "multi_scale_pearson"}],
    ids=lambda loss: loss["kind"],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_every_loss_trains_under_every_optimiser(
    go: Callable[..., Outcome],
    make_trial: MakeTrial,
    recorder: Observer,
    loss: dict[str, str],
    optimizer: str,
) -> None:
    rate = 0.05 if optimizer == "sgd" else 3e-3
    go(make_trial(training={"epochs": 8, "loss": loss, "optimizer": optimizer, "learning_rate": rate}))
    curve = [value for _, value in recorder.curves["train/loss"]]
    assert min(curve[-2:]) < curve[0]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_recordings_is_refused(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus, split: str
) -> None:
    with pytest.raises(DataError, match=f"{split}: no recordings; training needs all three splits"):
        go(make_trial(), data=replace(corpus, **{split: ()}))


def test_validation_without_a_single_score_is_refused(
    go: Callable[..., Outcome], make_trial: MakeTrial, corpus: Corpus
) -> None:
    silent = tuple(replace(r, envelope=np.zeros_like(r.envelope)) for r in corpus.validation)
    with pytest.raises(DataError, match="validation: the envelope of every segment is constant"):
        go(make_trial(), data=replace(corpus, validation=silent))


def test_windows_too_short_for_the_loss_are_refused_before_training(
    go: Callable[..., Outcome], make_trial: MakeTrial, tmp_path: Path
) -> None:
    loss = {"kind": "multi_scale_pearson", "scales": (1, 64)}
    with pytest.raises(InputError, match=r"training\.loss\.scales: pooling by 64 leaves 1 samples"):
        go(make_trial(training={"loss": loss}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"dataset": {"window_seconds": 0.005}}, r"dataset\.window_seconds: 0 samples at 64 Hz"),
        ({"evaluation": {"segment_seconds": 0.02}}, r"evaluation\.segment_seconds: 1 samples at 64 Hz"),
    ],
)
def test_lengths_without_a_correlation_are_refused(
    go: Callable[..., Outcome], make_trial: MakeTrial, changes: dict[str, object], key: str
) -> None:
    with pytest.raises(InputError, match=key + ", and a correlation needs 2; make it longer"):
        go(make_trial(**changes))


@pytest.mark.parametrize("name", ["gpu0", "cuda:97"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"device '{name}' cannot be used .*; --device cpu goes without"):
        find_device(name)


@pytest.mark.real_data
def test_real_eeg(dtu_subset: Path, paths: Paths, make_trial: MakeTrial, tmp_path: Path) -> None:
    # Recordings of 10 s, windows of 3 s, segments of 10 s: the last window ends where the recording ends.
    dataset = {
        "kind": "split_folder",
        "path": str(dtu_subset),
        "window_seconds": 3.0,
        "windows_per_recording": 2,
    }
    trial = make_trial(
        dataset=dataset, evaluation={"segment_seconds": 10.0}, training={"epochs": 2, "batch_size": 16}
    )
    data = open_corpus(trial.cell.experiment.dataset, paths)
    outcome = run(trial, data, tmp_path / "run", Observer(), device="cpu")
    assert len(outcome.subjects) == len(data.subjects) == 8
    assert all(subject.n_segments == subject.n_recordings == 3 for subject in outcome.subjects)
    # An untrained decoder answers faster than speech, so its null is narrow; it is a null all the same.
    assert all(abs(subject.chance_mean) < subject.chance_p95 < 0.3 for subject in outcome.subjects)
    assert -1 < outcome.metrics["test/pearson"] < 1


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("compiled", [False, True])
def test_trains_on_a_gpu(
    corpus: Corpus, make_trial: MakeTrial, tmp_path: Path, cuda: str, precision: str, compiled: bool
) -> None:
    trial = make_trial(
        training={"epochs": 24, "evaluate_every": 12, "precision": precision, "compile": compiled}
    )
    on_gpu = run(trial, corpus, tmp_path / "gpu", Observer())
    assert on_gpu.metrics["test/pearson"] > 0.5
    experiment = trial.cell.experiment
    decoder = build_model(experiment.model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    decoder.load_state_dict(load(tmp_path / "gpu" / "best.pt").weights)
    on_cpu = evaluate(decoder, corpus.test, Setting(64, 128, 4, "float32", CPU, corpus.subjects), "test")
    tolerance = 1e-5 if precision == "float32" else 5e-3
    assert on_gpu.metrics["test/pearson"] == pytest.approx(on_cpu.scores.mean, abs=tolerance)


@pytest.mark.gpu
def test_a_gpu_reports_what_a_cpu_does(
    corpus: Corpus, make_trial: MakeTrial, make_recorder: type[Observer], tmp_path: Path, cuda: str
) -> None:
    trial = make_trial(
        improvements={"residual": "gated", "mlp_head": True, "gradient_scale": 2.0},
        model={"drop_prob": 0.0},
        diagnostics={"preset": "full", "every_steps": 3},
    )
    told = {device: make_recorder() for device in (cuda, "cpu")}
    for device, observer in told.items():
        run(trial, corpus, tmp_path / device, observer, device=device)
    on_gpu, on_cpu = (told[device].curves for device in (cuda, "cpu"))
    assert set(on_gpu) == set(on_cpu)
    for name, points in on_cpu.items():
        if name not in VARYING:
            assert on_gpu[name][0] == pytest.approx(points[0], rel=1e-2, abs=1e-4), name
