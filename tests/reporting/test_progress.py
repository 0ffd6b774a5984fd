from __future__ import annotations

import io

from rich.console import Console

from ablab.reporting.durations import clock, spoken
from ablab.reporting.progress import LineProgress, LiveProgress, terminal_progress
from ablab.spec.experiment import Experiment
from ablab.spec.trial import Cell, Trial

TRIAL = Trial("3f9c21" + "0" * 26, "quick", Cell("a=1", "gated · mlp", {}, Experiment(name="x")), 1, "data")


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _console(**options: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=120, highlight=False, **options), text


def test_lines_where_the_output_is_no_terminal() -> None:
    console, text = _console()
    time = Time()
    progress = terminal_progress(console, time)
    assert type(progress) is LineProgress
    progress.note("made up")
    progress.begin("quick", 3, 33, 2, 1, "mlruns/mlflow.db")
    progress.started(TRIAL, "run")
    progress.advanced(TRIAL, 1, 20, {"validation/pearson": 0.05})  # too soon after the start
    time.now = 6.0
    progress.advanced(TRIAL, 14, 20, {"validation/pearson": 0.0812, "gradient/norm": 2.31})
    progress.warning(TRIAL, "gradient norm 41")
    progress.finished(TRIAL, 8.2, {"validation/pearson": 0.09, "test/pearson": 0.5})
    progress.failed(TRIAL, "run", "loss is NaN at step 88")
    progress.killed(TRIAL, "interrupted")
    progress.end()
    assert text.getvalue().splitlines() == [
        "note: made up",
        "study quick   36 trials, 33 done   2 workers x 1 thread   mlruns/mlflow.db",
        "started  gated · mlp · s1  (3f9c21)",
        "         gated · mlp · s1  epoch 14/20  val r .081  |g| 2.3",
        "! gated · mlp · s1: gradient norm 41",
        "done     gated · mlp · s1  val r .090  8.2 s  [1/3]",
        "! gated · mlp · s1 failed: loss is NaN at step 88",
        "  see: ablab logs 3f9c21",
        "! gated · mlp · s1 killed: interrupted; it runs again the next time",
    ]


def test_a_live_table_where_it_is_one() -> None:
    console, text = _console(force_terminal=True)
    time = Time()
    progress = terminal_progress(console, time)
    assert isinstance(progress, LiveProgress)
    progress.begin("quick", 3, 0, 1, 1, "mlruns/mlflow.db")
    progress.started(TRIAL, "run")
    time.now = 7.0
    progress.advanced(TRIAL, 14, 20, {"validation/pearson": 0.0812})
    picture = progress._picture().plain.splitlines()
    assert picture[0].split("  ")[1:3] == ["gated · mlp · s1", ""]
    assert "epoch 14/20  val r .081" in picture[0]
    assert picture[0].endswith("#####...  0:03 left")
    assert picture[1].split() == ["0", "done", "0", "failed", "1", "running", "2", "left"]
    progress.finished(TRIAL, 10.0, {})
    time.now = 10.0
    assert progress._picture().plain.endswith("about 20 s")
    progress.end()
    progress.end()
    assert "study quick" in text.getvalue()


def test_a_warning_that_many_runs_share_is_shown_once_and_counted() -> None:
    console, text = _console()
    progress = LineProgress(console)
    for norm in (0.53, 0.61, 0.7):
        progress.warning(TRIAL, f"Gradient/norm {norm} (median up to epoch 4) is below 1")
    progress.warning(TRIAL, "validation r has not risen for 10 evaluations")
    progress.end()
    assert text.getvalue().splitlines() == [
        "! gated · mlp · s1: Gradient/norm 0.53 (median up to epoch 4) is below 1",
        "! gated · mlp · s1: validation r has not risen for 10 evaluations",
        "! 2 more warnings of the same kind: each run's tag `warnings`",
    ]


def test_an_end_without_a_beginning_is_silent() -> None:
    console, text = _console(force_terminal=True)
    LiveProgress(console).end()
    assert text.getvalue() == ""


def test_text_of_users_is_not_read_as_markup() -> None:
    console, text = _console()
    LineProgress(console).failed(TRIAL, None, "no [bold]cell[/] here")
    assert "no [bold]cell[/] here" in text.getvalue()


def test_durations() -> None:
    assert [spoken(59.6), spoken(9.97), spoken(3599.7)] == ["1 min 0 s", "10.0 s", "1 h 0 min"]
    assert clock(59.6) == "1:00"
