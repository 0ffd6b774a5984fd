"""A running grid on the terminal: a live table, or plain lines where the output is no terminal.

Has the methods of `ablab.orchestration.progress.Progress`, which it cannot name: the two rooms are siblings.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ablab.comparison import figures
from ablab.reporting.durations import clock, spoken
from ablab.spec.trial import Trial

Clock = Callable[[], float]

_BAR = 8
"""Characters of a trial's bar."""
_NAME = 28
"""Columns of a trial's name; longer ones are cut."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
"""What two warnings of one kind differ in."""
_SECONDS_BETWEEN_LINES = 5.0
"""Plain lines of one trial: a log that is read later, not watched."""


@dataclass(slots=True)
class _Course:
    """How far one running trial is."""

    name: str
    began: float
    epoch: int = 0
    epochs: int = 0
    values: Mapping[str, float] = field(default_factory=dict)

    def left(self, now: float) -> float | None:
        return (now - self.began) / self.epoch * (self.epochs - self.epoch) if self.epoch else None


@dataclass(slots=True)
class _Counts:
    to_run: int = 0
    done: int = 0
    failed: int = 0
    killed: int = 0
    early: int = 0
    """Ended on purpose."""

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.killed + self.early


def terminal_progress(console: Console | None = None, now: Clock = time.monotonic) -> LineProgress:
    """For standard error: live where it is a terminal, lines where it is not."""
    console = console or Console(stderr=True, highlight=False)
    return LiveProgress(console, now) if console.is_terminal else LineProgress(console, now)


class LineProgress:
    """One line per start, end and, every few seconds, state of a trial."""

    def __init__(self, console: Console, now: Clock = time.monotonic) -> None:
        self._console, self._now = console, now
        self._counts = _Counts()
        self._courses: dict[str, _Course] = {}
        self._began = now()
        self._told: dict[str, float] = {}
        self._warned: dict[str, int] = {}

    def note(self, text: str) -> None:
        """Something about the whole grid."""
        self._say(f"note: {text}")

    def begin(self, study: str, to_run: int, done: int, workers: int, threads: int, address: str) -> None:
        """The head of the display."""
        self._counts = _Counts(to_run)
        self._began = self._now()
        at_once = f"{figures.plural(workers, 'worker')} x {figures.plural(threads, 'thread')}"
        self._say(f"study {study}   {to_run + done} trials, {done} done   {at_once}   {_near(address)}")

    def started(self, trial: Trial, run_id: str) -> None:
        """A run is open."""
        self._courses[trial.key] = _Course(trial.name, self._now())
        self._told[trial.key] = self._now()
        self._line(trial, f"started  {trial.name}  ({trial.key[:6]})")

    def advanced(self, trial: Trial, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        """An epoch has ended."""
        course = self._courses.setdefault(trial.key, _Course(trial.name, self._now()))
        course.epoch, course.epochs, course.values = epoch, epochs, values
        if self._now() - self._told.get(trial.key, 0.0) >= _SECONDS_BETWEEN_LINES:
            self._told[trial.key] = self._now()
            self._line(trial, f"         {trial.name}  {_state(course)}")

    def warning(self, trial: Trial, text: str) -> None:
        """Something a person should look at; the first of its kind is shown, `end` counts the others."""
        kind = _NUMBER.sub("", text)
        if kind not in self._warned:
            self._say(f"! {trial.name}: {text}")
        self._warned[kind] = self._warned.get(kind, 0) + 1

    def finished(self, trial: Trial, seconds: float, metrics: Mapping[str, float]) -> None:
        """A trial is done."""
        self._courses.pop(trial.key, None)
        self._counts.done += 1
        r = figures.plain(metrics.get("validation/pearson"), 3)
        self._line(trial, f"done     {trial.name}  val r {r}  {spoken(seconds)}  {self._share()}")

    def failed(self, trial: Trial, run_id: str | None, error: str) -> None:
        """A trial failed; the grid goes on."""
        self._courses.pop(trial.key, None)
        self._counts.failed += 1
        self._say(f"! {trial.name} failed: {error}")
        if run_id is not None:
            self._say(f"  see: ablab logs {trial.key[:6]}")

    def killed(self, trial: Trial, reason: str) -> None:
        """A trial was interrupted."""
        self._courses.pop(trial.key, None)
        self._counts.killed += 1
        self._say(f"! {trial.name} killed: {reason}; it runs again the next time")

    def ended(self, trial: Trial, reason: str) -> None:
        """A trial was ended early on purpose."""
        self._courses.pop(trial.key, None)
        self._counts.early += 1
        self._line(trial, f"ended    {trial.name}  {reason}  {self._share()}")

    def end(self) -> None:
        """After the last trial."""
        repeated = sum(count - 1 for count in self._warned.values())
        if repeated:
            self._say(
                f"! {figures.plural(repeated, 'more warning')} of the same kind: each run's tag `warnings`"
            )

    def _line(self, trial: Trial, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def _share(self) -> str:
        return f"[{self._counts.ended}/{self._counts.to_run}]"


class LiveProgress(LineProgress):
    """A row per running trial and a sum below them; what stays is printed above."""

    def __init__(self, console: Console, now: Clock = time.monotonic) -> None:
        super().__init__(console, now)
        self._live: Live | None = None

    def begin(self, study: str, to_run: int, done: int, workers: int, threads: int, address: str) -> None:
        """Head line, then the live part."""
        super().begin(study, to_run, done, workers, threads, address)
        if to_run:
            self._live = Live(
                get_renderable=self._picture, console=self._console, refresh_per_second=4, transient=True
            )
            self._live.start()

    def end(self) -> None:
        """Take the live part away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        super().end()

    def _line(self, trial: Trial, text: str) -> None:
        """The live part shows it."""

    def _picture(self) -> Text:
        now = self._now()
        lines = []
        for course in list(self._courses.values()):
            bar = "#" * (_BAR * course.epoch // course.epochs) if course.epochs else ""
            left = course.left(now)
            remaining = "" if left is None else f"  {clock(left)} left"
            name = course.name if len(course.name) <= _NAME else course.name[: _NAME - 1] + "…"
            lines.append(f"  {name:{_NAME}}  {_state(course):36}  {bar:.<{_BAR}}{remaining}")
        lines.append(self._sum(now))
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    def _sum(self, now: float) -> str:
        counts, running = self._counts, len(self._courses)
        left = max(0, counts.to_run - counts.ended - running)
        parts = [f"{counts.done} done", f"{counts.failed} failed", f"{running} running", f"{left} left"]
        parts += [f"{counts.early} ended early"] if counts.early else []
        text = "  " + "   ".join(parts)
        share = counts.ended + sum(
            course.epoch / course.epochs for course in list(self._courses.values()) if course.epochs
        )
        if share >= 1:
            remaining = (now - self._began) / share * (counts.to_run - share)
            text = f"{text:60}  about {spoken(remaining)}"
        return text


def _state(course: _Course) -> str:
    parts = (
        [f"epoch {course.epoch:>{len(str(course.epochs))}}/{course.epochs}"] if course.epochs else ["begins"]
    )
    if "validation/pearson" in course.values:
        parts.append(f"val r {figures.plain(course.values['validation/pearson'], 3)}")
    if "gradient/norm" in course.values:
        parts.append(f"|g| {course.values['gradient/norm']:.2g}")
    return "  ".join(parts)


def _near(address: str) -> str:
    """A file below the working directory by its short path."""
    return address.removeprefix(f"{Path.cwd()}/")
