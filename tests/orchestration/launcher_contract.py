"""What every launcher promises, as tests; a launcher's own test file derives from `LauncherContract`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from acts import act
from hand_made import trial

from ablab.orchestration.events import Advanced, Emit, End, Event, Failed, Finished, Killed, Started
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Launcher, Place, Request
from ablab.spec.trial import Trial

Make = Callable[[int], Launcher]


class LauncherContract:
    name: str
    options: tuple[str, ...] = ()
    several: int = 2
    """``--workers`` where trials may overlap; 1 of a launcher that takes no more."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place((tmp_path / "mlruns").absolute(), None, tmp_path)

    @pytest.fixture
    def heard(self) -> list[Event]:
        return []

    @pytest.fixture
    def make(self, place: Place, heard: list[Event]) -> Make:
        return lambda workers=1: self.made(place, heard.append, workers)

    def made(self, place: Place, emit: Emit, workers: int = 1) -> Launcher:
        kind = find_launcher(self.name)
        request = Request((trial("finish"),), workers, options=read_options(kind, self.options))
        return kind.make(act, place, emit, request)

    def test_a_trial_tells_its_course_in_order(self, make: Make, heard: list[Event]) -> None:
        planned = trial("finish", seed=3)
        run([planned], make())
        assert [type(event) for event in heard] == [Started, Advanced, Advanced, Advanced, Finished]
        assert [event.epoch for event in heard if isinstance(event, Advanced)] == [1, 2, 3]
        assert {event.key for event in heard} == {planned.key}

    def test_every_trial_ends_exactly_once(self, make: Make, heard: list[Event]) -> None:
        planned = [trial("finish", 0), trial("raise", 1), trial("vanish", 2), trial("finish", 3)]
        run(planned, make(self.several))
        ends = [event for event in heard if isinstance(event, End)]
        assert sorted(event.key for event in ends) == sorted(each.key for each in planned)
        assert sum(isinstance(event, Finished) for event in ends) == 2

    def test_an_exception_ends_the_trial_as_failed_and_the_next_one_runs(
        self, make: Make, heard: list[Event]
    ) -> None:
        run([trial("raise"), trial("finish")], make())
        failed = [event for event in heard if isinstance(event, Failed)]
        assert len(failed) == 1
        assert not failed[0].closed
        assert "seven is not a prime of eight" in failed[0].error
        assert isinstance(heard[-1], Finished)

    def test_a_trial_that_ended_can_be_submitted_again(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        for _ in range(2):
            run([trial("finish", 1)], launcher)
        assert [type(event) for event in heard] == [Started, Advanced, Finished] * 2

    def test_an_act_without_a_result_failed(self, make: Make, heard: list[Event]) -> None:
        run([trial("vanish")], make())
        assert isinstance(heard[-1], Failed)

    def test_in_flight_from_submit_to_the_end(self, make: Make) -> None:
        launcher, planned = make(), trial("finish")
        assert launcher.capacity >= 1
        assert launcher.in_flight == ()
        launcher.submit(planned)
        assert launcher.in_flight == (planned,)
        finish(launcher)
        assert launcher.in_flight == ()

    def test_a_waiting_trial_is_chosen_while_there_is_room(self, make: Make) -> None:
        launcher, waiting = make(), [trial("finish", 0), trial("finish", 1)]
        assert launcher.choose([]) is None
        chosen = launcher.choose(waiting)
        assert chosen in waiting
        assert launcher.in_flight == ()
        launcher.submit(chosen)
        assert launcher.choose(waiting) is None
        launcher.stop(5)

    def test_a_submit_beyond_capacity_is_refused(self, make: Make) -> None:
        launcher = make()
        launcher.submit(trial("finish", 0))
        with pytest.raises(RuntimeError):
            launcher.submit(trial("finish", 1))
        launcher.stop(5)

    def test_waiting_for_nothing_returns_at_once(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        began = time.monotonic()
        launcher.wait()
        assert time.monotonic() - began < 0.3
        assert heard == []

    def test_end_ends_one_trial_as_killed_and_the_next_one_runs(self, place: Place) -> None:
        unwanted, heard = trial("course"), list[Event]()

        def hear(event: Event) -> None:
            heard.append(event)
            if isinstance(event, Advanced) and event.key == unwanted.key:
                launcher.end(unwanted.key, "not good enough")
                launcher.end("0" * 32, "not in flight")

        launcher = self.made(place, hear)
        run([unwanted, trial("finish")], launcher)
        ends = [(event.key, type(event)) for event in heard if isinstance(event, End)]
        assert ends == [(unwanted.key, Killed), (trial("finish").key, Finished)]

    def test_end_in_front_of_the_first_word_ends_the_trial_too(self, make: Make, heard: list[Event]) -> None:
        launcher = make()
        launcher.submit(trial("course"))
        launcher.end(trial("course").key, "not good enough")
        finish(launcher)
        assert [type(event) for event in heard if isinstance(event, End)] == [Killed]

    def test_stop_leaves_nothing_in_flight_and_can_be_repeated(self, make: Make, heard: list[Event]) -> None:
        launcher, planned = make(), trial("sleep")
        launcher.submit(planned)
        launcher.stop(5)
        launcher.stop(5)
        assert launcher.in_flight == ()
        ends = [event for event in heard if isinstance(event, End)]
        assert [type(event) for event in ends] == [Killed]


def run(trials: list[Trial], launcher: Launcher) -> None:
    waiting = list(trials)
    deadline = time.monotonic() + 120
    while waiting or launcher.in_flight:
        while len(launcher.in_flight) < launcher.capacity and (chosen := launcher.choose(waiting)):
            waiting.remove(chosen)
            launcher.submit(chosen)
        launcher.wait()
        assert time.monotonic() < deadline


def finish(launcher: Launcher) -> None:
    run([], launcher)
