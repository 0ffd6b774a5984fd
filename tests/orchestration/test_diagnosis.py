from __future__ import annotations

from ablab.orchestration.diagnosis import diagnose

GOOD = {
    "validation/pearson": 0.1,
    "test/chance_p95": 0.03,
    "gradient/ratio": 0.2,
    "weights/front_change": 0.05,
    "test/pearson": -1.0,
}


def test_two_learning_cells_are_a_go() -> None:
    found = diagnose([GOOD, GOOD], [GOOD], [])
    assert found.go
    assert found.remarks == ()
    assert found.measures[0].reference == 0.1


def test_validation_at_chance_is_a_stop_with_the_numbers() -> None:
    found = diagnose([GOOD], [GOOD | {"validation/pearson": 0.02}], [])
    assert not found.go
    assert found.reasons[0].startswith(
        "validation r of the treatment cell is 0.020, not above chance (0.030)"
    )


def test_a_failed_trial_and_a_cell_without_runs_are_a_stop() -> None:
    found = diagnose([GOOD], [], ["mlp: the loss is NaN"])
    assert found.reasons == (
        "a trial failed: mlp: the loss is NaN",
        "the treatment cell has no finished run",
    )


def test_thresholds_that_are_missed_are_remarks_and_no_stop() -> None:
    low = GOOD | {"gradient/ratio": 0.02, "weights/front_change": 0.001}
    found = diagnose([GOOD], [low], [])
    assert found.go
    assert found.remarks == (
        "gradient ratio, front / head of the treatment is 0.020; the guide expects more than 0.1",
        "front weight change of the treatment is 0.001; the guide expects more than 0.01",
    )


def test_what_was_not_measured_is_none() -> None:
    bare = {"validation/pearson": 0.1}
    assert [each.treatment for each in diagnose([bare], [bare], []).measures] == [0.1, None, None, None, None]
