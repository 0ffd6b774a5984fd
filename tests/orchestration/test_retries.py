"""Who is tried again, and which failures say that the grid is broken."""

from __future__ import annotations

from ablab.orchestration.events import Cause, Failed
from ablab.orchestration.retries import Retries


def _failed(cause: Cause, key: str = "a", traceback: str = "") -> Failed:
    return Failed(key, None, "it failed", closed=True, cause=cause, traceback=traceback)


def test_a_death_is_tried_again_so_many_times_for_each_trial() -> None:
    retries = Retries(2)
    assert [retries.grants(_failed("died"), alone=True) for _ in range(3)] == [
        "retry 1 of 2",
        "retry 2 of 2",
        None,
    ]
    assert retries.grants(_failed("store", "b"), alone=True) == "retry 1 of 2"
    assert Retries(0).grants(_failed("died"), alone=True) is None


def test_memory_is_tried_again_once_and_only_beside_others() -> None:
    retries = Retries(2)
    assert retries.grants(_failed("memory"), alone=True) is None
    assert retries.grants(_failed("memory"), alone=False) == "once more, since other trials ran beside it"
    assert retries.grants(_failed("memory"), alone=False) is None
    assert Retries(0).grants(_failed("memory"), alone=False) is None


def test_errors_of_the_trial_itself_are_not_tried_again() -> None:
    causes: tuple[Cause, ...] = ("error", "diverged", "disk")
    assert [Retries(2).grants(_failed(cause), alone=False) for cause in causes] == [None] * 3


def test_two_cells_with_one_traceback_are_a_pattern() -> None:
    retries = Retries(2)
    text = 'File "a.py", line 3\nOSError: /runs/{}/.{}.best.pt'
    assert retries.repeats(_failed("error", "a", text.format("0" * 32, 11)), "gated") is None
    assert retries.repeats(_failed("error", "b", text.format("1" * 32, 12)), "gated") is None
    assert retries.repeats(_failed("error", "c", "another"), "none") is None
    assert retries.repeats(_failed("error", "d", text.format("2" * 32, 13)), "none") == "gated"


def test_a_full_disk_is_a_pattern_and_divergence_death_and_memory_are_none() -> None:
    retries = Retries(2)
    assert [retries.repeats(_failed("disk", cell), cell) for cell in "ab"] == [None, "a"]
    causes: tuple[Cause, ...] = ("diverged", "died", "memory")
    for cause in causes:
        assert [retries.repeats(_failed(cause, cell), cell) for cell in "ab"] == [None, None]
