from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ablab.data.corpus import Corpus, Recording
from ablab.errors import NonFiniteLossError
from ablab.models.build import build_model
from ablab.scoring.aggregate import subject_means
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import MseLoss, MultiScalePearson
from ablab.spec.trial import Trial
from ablab.training.evaluate import Setting, evaluate, predict, window_loss


class Echo(nn.Module):
    """Gives back the first channel, plus 1000 times the subject column."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        self.lengths += [eeg.shape[1]] * len(eeg)
        return eeg[:, :, :1] + 1000.0 * subject[:, None, None]


class Positions(nn.Module):
    """Answers each sample's position within its window."""

    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        return torch.arange(eeg.shape[1], dtype=torch.float32).expand(len(eeg), -1)[:, :, None]


@pytest.fixture
def setting() -> Setting:
    return Setting(
        n_window=64,
        n_segment=128,
        batch_size=4,
        precision="float32",
        device=torch.device("cpu"),
        subjects=("absent", "ann", "bob"),
    )


def recording(n_times: int, subject: str = "ann") -> Recording:
    rng = np.random.default_rng(n_times)
    return Recording(
        subject,
        f"r{n_times}",
        rng.standard_normal((n_times, 6)).astype(np.float32),
        rng.standard_normal((n_times, 1)).astype(np.float32),
    )


def test_windows_are_joined_in_place(setting: Setting) -> None:
    recordings = [recording(640), recording(300, "bob"), recording(64), recording(70, "bob")]
    decoder = Echo()
    predictions = predict(decoder, recordings, setting)  # type: ignore[arg-type]
    for part, prediction in zip(recordings, predictions, strict=True):
        column = setting.subjects.index(part.subject)
        np.testing.assert_allclose(prediction, part.eeg[:, 0] + 1000 * column, atol=1e-4)
    assert set(decoder.lengths) == {64}


def test_the_rest_is_decoded_by_a_window_that_ends_with_the_recording(setting: Setting) -> None:
    (prediction,) = predict(Positions(), [recording(150)], setting)  # type: ignore[arg-type]
    # Two whole windows; then samples 128..149 from a window over 86..149.
    expected = [*range(64), *range(64), *range(42, 64)]
    np.testing.assert_array_equal(prediction, expected)


def test_a_recording_shorter_than_a_window_is_decoded_whole(setting: Setting) -> None:
    predictions = predict(Positions(), [recording(40), recording(64)], setting)  # type: ignore[arg-type]
    np.testing.assert_array_equal(predictions[0], range(40))
    np.testing.assert_array_equal(predictions[1], range(64))


def test_scores_are_per_segment_recording_subject(
    corpus: Corpus, make_trial: Callable[..., Trial], setting: Setting
) -> None:
    experiment = make_trial().cell.experiment
    torch.manual_seed(0)
    decoder = build_model(experiment.model, experiment.improvements, 6, 3)
    got = evaluate(decoder, corpus.test, setting, "test")
    expected = subject_means(
        [
            segment_pearson(p, r.envelope[:, 0], 128)
            for p, r in zip(got.predictions, corpus.test, strict=True)
        ],
        ["ann", "ann", "bob"],
    )
    assert got.scores == expected
    assert {name: entry.n_segments for name, entry in got.scores.subjects.items()} == {"ann": 4, "bob": 2}


def test_batch_size_hardly_matters_and_the_decoder_is_left_as_it_was(
    corpus: Corpus, make_trial: Callable[..., Trial], setting: Setting
) -> None:
    experiment = make_trial().cell.experiment
    decoder = build_model(experiment.model, experiment.improvements, 6, 3)
    decoder.train()
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    state = torch.get_rng_state()
    small = predict(decoder, corpus.test, setting)
    large = predict(decoder, corpus.test, replace(setting, batch_size=1000))
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert decoder.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())


class Broken(nn.Module):
    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        return torch.where(eeg[:, :, :1] > 2, torch.nan, eeg[:, :, :1])


def test_a_prediction_that_is_not_finite_is_no_score(setting: Setting) -> None:
    part = recording(640)
    wrong = int((part.eeg[:, 0] > 2).sum())
    message = (
        rf"validation after epoch 3: {wrong} of the 640 samples predicted for ann/r640 are NaN or infinite"
    )
    with pytest.raises(NonFiniteLossError, match=message):
        evaluate(Broken(), [part], setting, "validation after epoch 3")  # type: ignore[arg-type]


def test_window_loss_weighs_every_window_the_same() -> None:
    # Three windows of one recording and one of another; their errors are 1, 1, 1 and 3.
    recordings = [recording(210), recording(64)]
    predictions = [recordings[0].envelope[:, 0] + 1, recordings[1].envelope[:, 0] + 3]
    assert window_loss(predictions, recordings, 64, MseLoss()) == pytest.approx((3 * 1 + 9) / 4, rel=1e-5)


def test_window_loss_needs_a_whole_window() -> None:
    short = recording(40)
    assert window_loss([short.envelope[:, 0]], [short], 64, MultiScalePearson()) is None
