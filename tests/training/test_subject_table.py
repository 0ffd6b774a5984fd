"""Unseen subjects: decoded with the mean embedding, scored apart, and never part of the trial's scores."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ablab.data.corpus import Corpus, Recording
from ablab.errors import DataError
from ablab.models.build import build_model
from ablab.spec.trial import Trial
from ablab.training.checkpoint import load
from ablab.training.observer import Observer
from ablab.training.run import Outcome, run

MakeTrial = Callable[..., Trial]


@pytest.fixture
def with_unseen(corpus: Corpus) -> Corpus:
    """The corpus, and a subject ``new`` that stands in validation and test only."""
    stranger = {
        split: tuple(replace(part, subject="new", eeg=-part.eeg) for part in parts[:2])
        for split, parts in (("validation", corpus.validation), ("test", corpus.test))
    }
    return replace(
        corpus,
        subjects=("ann", "bob"),
        # First, so that a mistake in the order of recordings would show.
        validation=stranger["validation"] + corpus.validation,
        test=stranger["test"] + corpus.test,
    )


def of(trial: Trial, corpus: Corpus, folder: Path) -> Outcome:
    return run(trial, corpus, folder, Observer(), device="cpu")


def test_scores_of_the_others_stay_as_they_are(
    with_unseen: Corpus, make_trial: MakeTrial, tmp_path: Path
) -> None:
    def seen_only(parts: tuple[Recording, ...]) -> tuple[Recording, ...]:
        return tuple(part for part in parts if part.subject != "new")

    known = replace(
        with_unseen, validation=seen_only(with_unseen.validation), test=seen_only(with_unseen.test)
    )
    without = of(make_trial(), known, tmp_path / "without")
    got = of(make_trial(), with_unseen, tmp_path / "with")
    assert got.subjects[0].subject == "new"
    assert [score.seen for score in got.subjects] == [False, True, True]
    for ours, theirs in zip(got.subjects[1:], without.subjects, strict=True):
        # Batches of other sizes may differ in the last bits.
        assert ours.test == pytest.approx(theirs.test, abs=1e-5)
        assert ours.chance_p95 == pytest.approx(theirs.chance_p95, abs=1e-4)
    for name in ("test/pearson", "test/chance_p95", "validation/pearson", "best_epoch"):
        assert got.metrics[name] == pytest.approx(without.metrics[name], abs=1e-4)
    assert not [name for name in without.metrics if name.endswith("_unseen")]
    new = got.subjects[0]
    assert got.metrics["test/pearson_unseen"] == new.test
    assert got.metrics["validation/pearson_unseen"] == new.validation
    assert got.metrics["test/chance_p95_unseen"] == pytest.approx(new.chance_p95)
    with (tmp_path / "with" / "per_subject.csv").open() as file:
        assert [(row["subject"], row["seen"]) for row in csv.DictReader(file)] == [
            ("new", "False"),
            ("ann", "True"),
            ("bob", "True"),
        ]


def test_they_are_decoded_with_the_mean_embedding(
    with_unseen: Corpus, make_trial: MakeTrial, tmp_path: Path
) -> None:
    trial = make_trial()
    of(trial, with_unseen, tmp_path)
    experiment = trial.cell.experiment
    decoder = build_model(experiment.model, experiment.improvements, 6, 2)
    weights = dict(load(tmp_path / "best.pt").weights)
    mean = weights["subject.weight"].mean(dim=1, keepdim=True)
    decoder.load_state_dict({**weights, "subject.weight": mean.expand(-1, 2)})
    eeg = torch.from_numpy(with_unseen.test[0].eeg[:64].copy())[None]
    with torch.inference_mode():
        expected = decoder.eval()(eeg, torch.tensor([0]))[0, :, 0].numpy()
    kept = np.load(tmp_path / "predictions.npz")
    np.testing.assert_allclose(kept["prediction_0"][:64], expected, atol=1e-5)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_of_unseen_subjects_alone_is_refused(
    with_unseen: Corpus, make_trial: MakeTrial, tmp_path: Path, split: str
) -> None:
    strangers = tuple(part for part in getattr(with_unseen, split) if part.subject == "new")
    message = rf"dataset: {split}: no subject of it has training data; .* at least one is needed"
    with pytest.raises(DataError, match=message):
        of(make_trial(), replace(with_unseen, **{split: strangers}), tmp_path)
