"""The linear model on a corpus: per subject, pooled, leaving one subject out."""

from __future__ import annotations

import numpy as np
import pytest
from tests.baselines.made_up import corpus, recording
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from ablab.baselines import backward, ridge
from ablab.baselines.backward import Scope
from ablab.data.corpus import Corpus, Recording
from ablab.data.datasets import open_corpus
from ablab.errors import DataError
from ablab.paths import Paths
from ablab.scoring.segments import segment_pearson
from ablab.spec.experiment import Evaluation, Simulated, SplitFolder


@pytest.mark.real_data
def test_real_eeg_gives_the_known_score(dtu_subset: object, paths: Paths) -> None:
    result = backward.run(open_corpus(SplitFolder(path=str(dtu_subset)), paths), Evaluation())
    assert result.test_pearson == pytest.approx(0.143, abs=0.01)
    assert result.chance_p95 == pytest.approx(0.066, abs=0.01)
    assert len(result.per_subject) == 8
    assert np.std(list(result.per_subject.values()), ddof=1) == pytest.approx(0.093, abs=0.02)


def test_penalty_is_chosen_on_validation_and_test_is_not_looked_at() -> None:
    # The test part's envelope is turned over: whoever chose by test r would choose another penalty.
    train, validation, test = recording(1, 700), recording(2, 640), recording(3, 640)
    turned = Recording("s", "3", test.eeg, -test.envelope)
    plain = backward.run(corpus({"train": [train], "val": [validation], "test": [test]}), Evaluation())
    other = backward.run(corpus({"train": [train], "val": [validation], "test": [turned]}), Evaluation())
    assert plain.lambdas == other.lambdas
    assert plain.test_pearson == pytest.approx(-other.test_pearson) and plain.test_pearson > 0.3
    models = ridge.fit([train], ridge.PENALTIES)
    r = [
        segment_pearson(models.predict(validation)[:, [index]], validation.envelope, 640)[0]
        for index in range(len(ridge.PENALTIES))
    ]
    assert plain.lambdas["s"] == ridge.PENALTIES[int(np.argmax(r))]


def test_scores_are_means_of_segments_then_recordings_then_subjects() -> None:
    parts = {
        "train": [recording(1, 900, "a"), recording(2, 900, "b")],
        "val": [recording(3, 640, "a"), recording(4, 640, "b")],
        "test": [recording(5, 1290, "a"), recording(6, 640, "a"), recording(7, 400, "b")],
    }
    said: list[tuple[str, float]] = []
    result = backward.run(corpus(parts), Evaluation(segment_seconds=10.0), lambda *told: said.append(told))
    expected = {}
    for subject in ("a", "b"):
        train = [part for part in parts["train"] if part.subject == subject]
        model = ridge.fit(train, [result.lambdas[subject]])
        expected[subject] = np.mean(
            [
                segment_pearson(model.predict(part), part.envelope, 640).mean()
                for part in parts["test"]
                if part.subject == subject
            ]
        )
    assert result.per_subject == pytest.approx(expected)
    assert result.test_pearson == pytest.approx(np.mean(list(expected.values())))
    assert dict(said) == pytest.approx(expected)
    assert 0 < result.chance_p95 < 0.5


def test_the_units_of_the_eeg_do_not_matter() -> None:
    parts = {"train": [recording(1, 900)], "val": [recording(2, 640)], "test": [recording(3, 640)]}
    scaled = {
        split: [Recording(p.subject, p.name, 1000 * p.eeg, 3 * p.envelope + 7) for p in found]
        for split, found in parts.items()
    }
    first, second = (backward.run(corpus(found), Evaluation()) for found in (parts, scaled))
    assert (
        second.test_pearson == pytest.approx(first.test_pearson, abs=1e-4) and second.lambdas == first.lambdas
    )


def test_silent_validation_chooses_the_strongest_penalty() -> None:
    silent = Recording("s", "v", recording(2, 640).eeg, np.zeros((640, 1), np.float32))
    data = corpus({"train": [recording(1, 900)], "val": [silent], "test": [recording(3, 640)]})
    assert backward.run(data, Evaluation()).lambdas == {"s": max(ridge.PENALTIES)}


def test_recordings_shorter_than_the_lags_are_refused_by_name() -> None:
    data = corpus({"train": [recording(1, 26)], "val": [recording(2, 640)], "test": [recording(3, 640)]})
    with pytest.raises(DataError, match="s/1: 26 samples are fewer than 27 lags"):
        backward.run(data, Evaluation())


def test_simulated_listeners_are_decodable_above_chance(paths: Paths) -> None:
    result = backward.run(open_corpus(Simulated(n_subjects=3, minutes=4.0, n_chans=24), paths), Evaluation())
    assert 0.05 < result.test_pearson < 0.25 and result.test_pearson > result.chance_p95


SUBJECTS = ("a", "b", "c")


def three() -> Corpus:
    parts = {}
    for offset, (split, n_times) in enumerate((("train", 900), ("val", 640), ("test", 700))):
        parts[split] = [
            recording(10 * offset + index, n_times + 10 * index, subject)
            for index, subject in enumerate(SUBJECTS)
        ]
    return corpus(parts)


@pytest.mark.parametrize("scope", ["pooled", "leave_one_subject_out"])
def test_one_model_of_several_subjects(scope: Scope) -> None:
    """Against numpy.linalg.solve on the plain sums, and r of predictions put end to end."""
    data = three()
    result = backward.run(data, Evaluation(), scope=scope)
    for subject in SUBJECTS:
        kept = [name for name in SUBJECTS if scope == "pooled" or name != subject]
        train = [part for part in data.train if part.subject in kept]
        validation = [part for part in data.validation if part.subject in kept]
        gram, cross, _ = ridge.moments_of(train).centred()
        true = np.concatenate([part.envelope[:, 0] for part in validation])
        r = []
        for penalty in ridge.PENALTIES:
            lifted = gram + penalty * np.trace(gram) / len(gram) * np.eye(len(gram))
            weights = np.linalg.solve(lifted, cross)
            predicted = np.concatenate(
                [ridge.predict(part.eeg, weights[:, None], np.zeros(1), 27)[:, 0] for part in validation]
            )
            r.append(np.corrcoef(predicted, true)[0, 1])
        assert result.lambdas[subject] == ridge.PENALTIES[int(np.argmax(r))]
        model = ridge.fit(train, [result.lambdas[subject]])
        (test,) = (part for part in data.test if part.subject == subject)
        expected = segment_pearson(model.predict(test), test.envelope, 640).mean()
        assert result.per_subject[subject] == pytest.approx(expected, abs=1e-9)
    assert result.test_pearson == pytest.approx(np.mean(list(result.per_subject.values())))


def test_the_left_out_subject_is_nowhere_in_the_model() -> None:
    data = three()
    noise = np.random.default_rng(9)
    changed = [
        part
        if part.subject != "b"
        else Recording(
            "b", part.name, part.eeg, noise.standard_normal(part.envelope.shape).astype(np.float32)
        )
        for part in (*data.train, *data.validation)
    ]
    other = corpus({"train": changed[:3], "val": changed[3:], "test": list(data.test)})
    before, after = (
        backward.run(each, Evaluation(), scope="leave_one_subject_out") for each in (data, other)
    )
    assert before.per_subject["b"] == after.per_subject["b"] and before.lambdas["b"] == after.lambdas["b"]
    assert before.per_subject["a"] != after.per_subject["a"]


def test_the_table_has_chance_and_p() -> None:
    result = backward.run(three(), Evaluation(), scope="pooled")
    assert [score.subject for score in result.subjects] == list(SUBJECTS)
    for score in result.subjects:
        assert score.test == result.per_subject[score.subject] > 0.5
        assert score.validation is not None and score.validation > 0.5
        assert score.chance_p is not None and 0 < score.chance_p < 0.01 and score.chance_p95 < score.test
    assert 0 < result.chance_p < 0.01
    assert all(score.seen for score in result.subjects)
    left_out = backward.run(three(), Evaluation(), scope="leave_one_subject_out")
    assert not any(score.seen for score in left_out.subjects)


def test_leaving_the_only_subject_out_is_refused() -> None:
    one = corpus({"train": [recording(1, 900)], "val": [recording(2, 640)], "test": [recording(3, 640)]})
    with pytest.raises(DataError, match="leave_one_subject_out needs at least two subjects"):
        backward.run(one, Evaluation(), scope="leave_one_subject_out")


def test_the_threads_of_blas_are_left_to_the_trials_that_train_beside_it() -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    parts = {"train": [recording(1, 700)], "val": [recording(2, 640)], "test": [recording(3, 640)]}
    during: list[int] = []
    with threadpool_limits(2, user_api="blas"):
        backward.run(corpus(parts), Evaluation(), lambda subject, r: during.extend(threads()))
        assert set(during) == {1} and set(threads()) == {2}
