from __future__ import annotations

import pytest
from hand_made import state, trial

from ablab.errors import NotFoundError, StaleRunsError
from ablab.orchestration.selection import select, standings

A, B, C, D, E = (trial("none", seed) for seed in range(5))
G = trial("gated", 0)


def test_every_trial_has_a_standing() -> None:
    states = [
        state(A),
        state(B, code="old"),
        state(C, "failed"),
        state(D, "killed"),
        state(E, "running"),
        state(G, role="pilot"),
    ]
    found = standings([A, B, C, D, E, G], states, "now")
    assert [each.progress for each in found] == ["done", "stale", "failed", "killed", "running", "missing"]


def test_failed_and_killed_runs_are_not_done_and_running_ones_are_left_alone() -> None:
    states = [state(A), state(C, "failed"), state(D, "killed"), state(E, "running")]
    chosen = select(standings([A, B, C, D, E], states, "now"), code="now", stale=None)
    assert chosen.to_run == (B, C, D)
    assert [each.trial for each in chosen.skipped] == [A, E]


def test_stale_runs_stop_with_the_list_and_the_choices() -> None:
    found = standings([A, B, G], [state(A, code="old"), state(B, code="old"), state(G)], "now")
    with pytest.raises(StaleRunsError) as stopped:
        select(found, code="now", stale=None)
    assert str(stopped.value).splitlines() == [
        "quick: 2 finished runs were made by other code than the code now (now):",
        "  residual=none  seed 0, 1",
        "choose what to do with them:",
        "  --stale rerun   train them again with the code as it is now",
        "  --stale keep    keep them; every report names them",
    ]


def test_the_choice_decides_about_stale_runs() -> None:
    found = standings([A, B], [state(A, code="old"), state(B)], "now")
    assert select(found, code="now", stale="rerun").to_run == (A,)
    assert select(found, code="now", stale="keep").to_run == ()


def test_a_forced_cell_runs_again_by_id_and_by_label() -> None:
    found = standings([A, B, G], [state(A), state(B), state(G)], "now")
    assert select(found, code="now", stale=None, force=["residual=none"]).to_run == (A, B)
    assert select(found, code="now", stale=None, force=["gated"]).to_run == (G,)


def test_forcing_a_stale_cell_is_a_choice() -> None:
    found = standings([A, G], [state(A, code="old"), state(G)], "now")
    assert select(found, code="now", stale=None, force=["none"]).to_run == (A,)


def test_an_unknown_cell_is_refused_with_the_nearest() -> None:
    found = standings([A, G], [], "now")
    with pytest.raises(
        NotFoundError, match=r"--force: no cell 'residul=gated'.*did you mean 'residual=gated'\?"
    ):
        select(found, code="now", stale=None, force=["residul=gated"])
