"""Protocols in a trial: which metrics come out, what is said where one cannot be measured."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from ablab.data.corpus import Corpus, Recording
from ablab.spec.trial import Trial
from ablab.training.observer import Observer
from ablab.training.protocols import PROTOCOLS, Line, measure
from ablab.training.run import run

MINUTE = 60 * 64
BOTH = ("challenge_regression", "match_mismatch")


def recording(subject: str, n_times: int, seed: int) -> Recording:
    rng = np.random.default_rng(seed)
    envelope = np.convolve(rng.standard_normal(n_times + 31), np.hanning(32), "valid")[:, None]
    return Recording(subject, f"r{seed}", rng.standard_normal((n_times, 6)).astype(np.float32), envelope)


@pytest.fixture
def recordings() -> list[Recording]:
    return [recording("ann", 2 * MINUTE + 99, 0), recording("bob", MINUTE, 1), recording("new", MINUTE, 2)]


def test_every_protocol_of_the_spec_is_there() -> None:
    assert set(PROTOCOLS) == set(BOTH)


def test_a_perfect_reconstruction_has_the_best_of_every_measure(recordings: list[Recording]) -> None:
    perfect = [part.envelope[:, 0] for part in recordings]
    found = measure(BOTH, perfect, recordings, unseen={"new"})
    assert found.notes == ()
    assert found.metrics == pytest.approx(
        {
            "test/challenge_score": 1.0,
            "test/challenge_within": 1.0,
            "test/challenge_held_out": 1.0,
            "test/match_mismatch_3s": 1.0,
            "test/match_mismatch_3s_chance": 0.5,
            "test/match_mismatch_3s_chance_p95": 32 / 53,  # 40 and 20 windows vary as 53
            "test/match_mismatch_3s_unseen": 1.0,
            "test/match_mismatch_3s_unseen_chance_p95": 14 / 20,
            "test/match_mismatch_5s": 1.0,
            "test/match_mismatch_5s_chance": 0.2,
            "test/match_mismatch_5s_chance_p95": 10 / 32,  # 24 and 12 windows vary as 32
            "test/match_mismatch_5s_unseen": 1.0,
            "test/match_mismatch_5s_unseen_chance_p95": 5 / 12,
        }
    )
    counts = {(line.measure, line.subject): line.n for line in found.lines}
    assert counts["challenge_r", "ann"] == 2
    assert counts["match_mismatch_3s", "ann"] == 40
    assert counts["match_mismatch_5s", "new"] == 12
    assert {line.subject for line in found.lines if not line.seen} == {"new"}


def test_guessing_is_at_chance(recordings: list[Recording]) -> None:
    noise = [
        recording(part.subject, part.n_times, 90 + i).envelope[:, 0] for i, part in enumerate(recordings)
    ]
    metrics = measure(BOTH, noise, recordings, unseen=()).metrics
    assert abs(metrics["test/challenge_within"]) < 0.2
    assert metrics["test/match_mismatch_3s"] == pytest.approx(0.5, abs=0.25)
    assert metrics["test/match_mismatch_5s"] == pytest.approx(0.2, abs=0.25)


def test_imposters_are_the_same_for_every_decoder(recordings: list[Recording]) -> None:
    noise = [
        recording(part.subject, part.n_times, 90 + i).envelope[:, 0] for i, part in enumerate(recordings)
    ]
    assert measure(BOTH, noise, recordings, ()) == measure(BOTH, noise, recordings, ())


def test_what_cannot_be_measured_is_said(recordings: list[Recording]) -> None:
    perfect = [part.envelope[:, 0] for part in recordings[:2]]
    within = measure(("challenge_regression",), perfect, recordings[:2], unseen=())
    assert within.metrics == pytest.approx({"test/challenge_within": 1.0})
    assert within.notes == (
        "challenge_regression: no segment of a held-out subject, so only test/challenge_within is measured; "
        "test/challenge_score needs both parts (2/3 within + 1/3 held out)",
    )
    short = [recording("ann", 300, 5)]
    nothing = measure(BOTH, [short[0].envelope[:, 0]], short, unseen=())
    assert nothing.metrics == {}
    assert nothing.notes == (
        "challenge_regression: 1 of 1 test recordings hold no segment of 60 s and are left out",
        "challenge_regression: no segment of a subject that was trained on; no score",
        "match_mismatch_3s: 1 of 1 test recordings hold no window with its imposters and are left out",
        "match_mismatch_5s: 1 of 1 test recordings hold no window with its imposters and are left out",
    )


def test_a_trial_measures_what_was_asked_for(
    corpus: Corpus, make_trial: Callable[..., Trial], make_recorder: type[Observer], tmp_path: Path
) -> None:
    test = (recording("ann", 2 * MINUTE, 0), recording("bob", MINUTE, 1), recording("new", MINUTE, 2))
    longer = replace(corpus, test=test)
    plain = run(make_trial(), longer, tmp_path / "plain", Observer(), device="cpu")
    assert not [name for name in plain.metrics if "challenge" in name or "match" in name]
    asked = make_trial(evaluation={"protocols": list(BOTH)})
    observer = make_recorder()
    got = run(asked, longer, tmp_path / "asked", observer, device="cpu")
    kept = np.load(tmp_path / "asked" / "predictions.npz")
    expected = measure(BOTH, [kept[f"prediction_{i}"] for i in range(3)], test, unseen={"new"})
    assert expected.metrics.items() <= got.metrics.items()
    assert len(expected.metrics) == 13
    # Nothing else is different.
    assert got.subjects == plain.subjects
    assert got.metrics["test/pearson"] == plain.metrics["test/pearson"]
    with (tmp_path / "asked" / "protocols.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(Line)]
    assert {(row["measure"], row["subject"]) for row in rows} == {
        (measured, subject)
        for measured in ("challenge_r", "match_mismatch_3s", "match_mismatch_5s")
        for subject in ("ann", "bob", "new")
    }
    assert (tmp_path / "asked" / "protocols.csv") in got.artifacts
    assert not (tmp_path / "plain" / "protocols.csv").exists()


def test_what_a_trial_cannot_measure_is_a_warning(
    corpus: Corpus, make_trial: Callable[..., Trial], make_recorder: type[Observer], tmp_path: Path
) -> None:
    observer = make_recorder()
    trial = make_trial(evaluation={"protocols": ["challenge_regression"]})
    outcome = run(trial, corpus, tmp_path / "run", observer, device="cpu")
    assert "test/challenge_within" not in outcome.metrics
    warnings = observer.warnings  # type: ignore[attr-defined]
    assert any("3 of 3 test recordings hold no segment of 60 s" in text for text in warnings)
