from __future__ import annotations

import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, two_arms

from ablab.comparison.findings import findings
from ablab.comparison.items import NAME, Items, by_items, same_stimuli
from ablab.comparison.quasi_t import crossed_quasi_t

SUBJECTS, STIMULI, SEEDS = ("a", "b", "c"), 6, 5


def made_up(n_stimuli: int = STIMULI) -> tuple[Items, np.ndarray]:
    """Scores of both arms, and the differences (subject, stimulus, seed) that are in them."""
    rng = np.random.default_rng(0)
    differences = 0.02 + rng.normal(0, 0.01, (len(SUBJECTS), n_stimuli, SEEDS))
    recordings = {(s, f"rec{n}"): (i, n) for i, s in enumerate(SUBJECTS) for n in range(n_stimuli)}
    scores = {}
    for seed in range(SEEDS):
        base = {r: rng.normal(0.1, 0.02) for r in recordings}
        scores[f"ref{seed}"] = base
        scores[f"new{seed}"] = {r: base[r] + differences[i, n, seed] for r, (i, n) in recordings.items()}
    return Items(scores, {r: n for r, (_, n) in recordings.items()}), differences


def line(items: Items, subjects: tuple[str, ...] = SUBJECTS):
    ours, theirs = ({seed: f"{arm}{seed}" for seed in range(SEEDS)} for arm in ("new", "ref"))
    return by_items(items, ours, theirs, subjects, alpha=0.05)


def test_stimuli_take_the_place_of_subjects() -> None:
    items, differences = made_up()
    found = line(items)
    oracle = crossed_quasi_t(differences.mean(axis=0))
    assert found.estimate == pytest.approx(float(oracle.delta))
    assert found.p_value == pytest.approx(float(oracle.p_value))
    assert (found.ci_low, found.ci_high) == pytest.approx((float(oracle.ci_low), float(oracle.ci_high)))
    assert found.note == "generalises over 6 held-out stimuli and the seeds, not over subjects"


def test_only_subjects_of_the_contrast_count() -> None:
    items, differences = made_up()
    assert line(items, ("a", "b")).estimate == pytest.approx(differences[:2].mean())


def test_a_recording_that_one_run_lacks_is_left_out_everywhere() -> None:
    items, differences = made_up()
    del items.scores["new3"]["a", "rec0"]
    by_stimulus = differences.mean(axis=0)
    by_stimulus[0] = differences[1:, 0].mean(axis=0)
    assert line(items).estimate == pytest.approx(by_stimulus.mean())


def test_four_stimuli_are_too_few() -> None:
    items, _ = made_up(4)
    assert line(items) == "no analysis by items: 4 test stimuli, 5 are needed"


def test_stimuli_are_told_by_their_envelopes_whatever_the_scale_and_the_names() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=500), rng.normal(size=500)
    assert same_stimuli(
        {("a", "x"): one, ("b", "y"): 3 * two - 1, ("b", "x"): 0.5 * one[:490] + 2, ("c", "x"): two}
    ) == {("a", "x"): 0, ("b", "y"): 1, ("b", "x"): 0, ("c", "x"): 1}
    assert same_stimuli({("a", "x"): one, ("a", "y"): one[:250]}) == {("a", "x"): 0, ("a", "y"): 1}


def test_with_the_line_new_stimuli_are_no_longer_out_of_scope() -> None:
    records = two_arms(np.random.default_rng(2).normal(0.02, 0.005, (4, SEEDS)))
    scores, stimulus = {}, {}
    for record in records:
        recordings = {
            (s.subject, f"rec{n}"): s.test + 0.001 * n * (record.cell == FULL)
            for s in record.subjects
            for n in range(STIMULI)
        }
        scores[record.run_id] = recordings
        stimulus = {recording: int(recording[1][3:]) for recording in recordings}
    options = {"study": "s", "reference": ORIGINAL, "treatment": FULL, "n_draws": 100}
    found = findings(records, items=Items(scores, stimulus), **options)
    assert found.sensitivity[-1].name == NAME
    assert dict(found.scope)["new stimuli"] == "yes, by items (sensitivity line)"
    without = findings(records, items="no analysis by items: none", **options)
    assert dict(without.scope)["new stimuli"] == "NO (fixed)"
    assert "no analysis by items: none" in without.unsupported


def test_stimuli_that_not_all_runs_were_scored_on_do_not_make_up_the_number() -> None:
    items, _ = made_up()
    lost = {recording for recording, number in items.stimulus.items() if number >= 4}
    scores = dict(items.scores)
    scores["new0"] = {name: r for name, r in scores["new0"].items() if name not in lost}
    found = line(Items(scores, items.stimulus))
    assert found == "no analysis by items: 4 test stimuli were scored in all runs, 5 are needed"
