"""A real schedule: it fires again and again, survives a kill without a second run, and ends cleanly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from ablab.errors import InputError
from ablab.paths import Paths
from ablab.regression import last_run
from ablab.regression.last_run import LastRun
from ablab.regression.moments import first_after, last_until, trigger
from ablab.spec.regression import Schedule
from ablab.tracking.open import open_gates, open_store

Ablab = Callable[..., Result]
PATIENCE_SECONDS = 240.0


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_crontabs_weekday_is_the_schedules_too() -> None:
    when = trigger(Schedule(cron="30 2 * * 0"))  # 0 is Monday to APScheduler and Sunday to everybody else
    assert first_after(when, at("2026-11-25T00:00:00+00:00")) == at("2026-11-29T02:30:00+00:00")  # a Sunday


def test_moments_follow_the_time_zone_through_the_change_of_clocks() -> None:
    when = trigger(Schedule(cron="30 1 * * *", timezone="Europe/Berlin"))
    before = first_after(when, at("2026-10-24T00:00:00+00:00"))
    after = first_after(when, at("2026-10-26T00:00:00+00:00"))
    assert before == at("2026-10-24T23:30:00+00:00")
    assert after == at("2026-10-26T00:30:00+00:00")
    assert after.astimezone(ZoneInfo("Europe/Berlin")).hour == 1


def test_the_last_moment_that_is_due() -> None:
    when = trigger(Schedule(cron="*/20 * * * * *"))
    start = at("2026-11-25T00:00:00+00:00")
    assert last_until(when, start, start + timedelta(seconds=19)) is None
    assert last_until(when, start, start + timedelta(seconds=59)) == start + timedelta(seconds=40)
    assert first_after(when, start) == start + timedelta(seconds=20)


def test_a_last_run_is_read_as_it_was_written_and_damage_is_told(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert last_run.read("g", paths) is None
    kept = LastRun("g", "g.yaml", "2026-11-25T01:30:00+01:00", outcome="PASS")
    last_run.write("g", kept, paths)
    assert last_run.read("g", paths) == kept
    assert kept.due_at == at("2026-11-25T00:30:00+00:00")
    for damage in (
        "{",
        '{"due": 1}',
        json.dumps({"regression": "g", "file": "f", "due": "2026-11-25T01:30:00"}),
    ):
        last_run.last_run_file("g", paths).write_text(damage)
        with pytest.raises(InputError, match=r"g\.last\.json: does not read as a last run .*delete it"):
            last_run.read("g", paths)


def test_a_gate_without_a_schedule_and_two_of_one_name_are_refused(lab: Path, ablab: Ablab) -> None:
    missing = ablab("regression", "serve", "gate.yaml")
    assert missing.exit_code == 2
    assert "gate.yaml: schedule: missing; 'ablab regression serve' needs it" in missing.stderr
    write(lab, "once.yaml", "0 3 1 1 *")
    twice = ablab("regression", "serve", "once.yaml", "once.yaml")
    assert twice.exit_code == 2
    assert "two of the files are gates of one name" in twice.stderr


def write(lab: Path, name: str, cron: str) -> Path:
    """A gate of one seed, which is quick and inconclusive."""
    file = lab / name
    file.write_text(
        f"kind: regression\nname: {file.stem}\nexperiment: tiny.yaml\nbaseline: tiny\nseeds: [0]\n"
        f"determinism: false\nschedule: {{cron: '{cron}', misfire_grace_seconds: 600}}\n"
    )
    return file


class Served:
    """``ablab regression serve`` in a process of its own."""

    def __init__(self, lab: Path, file: Path, log: Path) -> None:
        self._log, self._from = log, log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from ablab.cli.main import main; main()",
                 "regression", "serve", str(file), "--launcher", "inline"],
                cwd=lab, stdout=output, stderr=output, env=os.environ, start_new_session=True,
            )  # fmt: skip

    @property
    def told(self) -> str:
        return self._log.read_bytes()[self._from :].decode()

    def wait_for(self, pattern: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(re.findall(pattern, self.told)) < times:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.2)


@pytest.mark.slow
def test_a_schedule_fires_twice_survives_a_kill_and_ends_cleanly(lab: Path) -> None:
    paths, log = Paths(lab / "mlruns"), lab / "serve.log"
    file = write(lab, "often.yaml", "*/5 * * * * *")
    first = Served(lab, file, log)
    try:
        first.wait_for("often: INCONCLUSIVE", times=2)
        last = last_run.read("often", paths)
        assert last is not None and last.log is not None
        refused = Served(lab, file, lab / "refused.log")
        assert refused.process.wait(PATIENCE_SECONDS) == 1
        assert "the schedule of often is being run by process" in refused.told
        first.wait_for("often: running", times=3)
    finally:
        first.process.kill()  # with a gate at work, which goes on by itself
        first.process.wait()
    claimed = last_run.read("often", paths)
    assert claimed is not None and claimed.ended is None

    second = Served(lab, file, log)
    try:
        second.wait_for("often: INCONCLUSIVE")  # after the one that the kill left, once that is over
        second.wait_for("often: running", times=2)
        time.sleep(1)
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(PATIENCE_SECONDS) == 0, second.told
    finally:
        second.process.kill()
    stopped = last_run.read("often", paths)
    assert stopped is not None
    assert (stopped.outcome, stopped.exit_code in (130, -signal.SIGTERM)) == ("killed", True), stopped

    moments = re.findall(r"often: running, due (\S+), process", first.told)
    assert len(moments) == len(set(moments)) >= 5  # none was run twice
    gates = open_gates(paths).gates("often")
    assert len(gates) <= len(moments)
    verdicts = [gate.tags.get("verdict") for gate in gates]
    assert verdicts.count("INCONCLUSIVE") >= 4  # two, the one that the kill left to itself, and one after
    assert all(gate.status != "running" for gate in gates)
    assert all(state.status != "running" for state in open_store(paths).states("often"))


def test_what_fell_due_while_nothing_served_is_run_once_unless_it_is_too_old(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablab.regression import schedule
    from ablab.spec.load_regression import load_regression

    paths = Paths(lab / "mlruns")
    gate = load_regression(write(lab, "missed.yaml", "* * * * * *"))
    timing = gate.regression.schedule
    assert timing is not None
    ran = []
    monkeypatch.setattr(schedule._Work, "_ended", lambda self, gate, last, log: ran.append(last.due) or last)
    work = schedule._Work(paths, (), lambda text: None)
    work.began -= timedelta(seconds=3)
    work.run(gate, timing)
    work.run(gate, timing)  # within the same second, at most the next moment
    assert len(ran) == len(set(ran)) >= 1
    before = len(ran)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    last_run.write("missed", LastRun("missed", "f", ahead.isoformat()), paths)
    work.run(gate, timing)
    assert len(ran) == before  # all until then is claimed
    old = datetime.now(UTC) - timedelta(days=30)
    last_run.write("missed", LastRun("missed", "f", old.isoformat()), paths)
    assert schedule._since(gate, timing, paths, work.began) > datetime.now(UTC) - timedelta(seconds=660)
