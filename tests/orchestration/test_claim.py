"""Two state roots on one store: a study has one orchestrator all the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from ablab.errors import StudyLockedError
from ablab.orchestration import claim as claims
from ablab.orchestration.claim import Claim, claimant, claimed
from ablab.orchestration.lease import Holder
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths
from ablab.tracking.mlflow.store import MlflowStore

HOLD = """
import sys, time
from pathlib import Path
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths
from ablab.tracking.mlflow.store import MlflowStore
paths = Paths(Path(sys.argv[1]))
with study_lock("quick", paths, MlflowStore(sys.argv[2], paths)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that lies under no state root."""
    folder = tmp_path_factory.mktemp("shared")
    MlflowStore(f"sqlite:///{folder / 'mlflow.db'}", Paths(folder / "none")).tag_study("first", "a", "b")
    return folder / "mlflow.db"


@pytest.fixture
def roots(database: Path, tmp_path: Path) -> Iterator[tuple[Paths, Paths]]:
    yield Paths(tmp_path / "bea"), Paths(tmp_path / "cem")
    of(database, Paths(tmp_path / "none")).tag_study("quick", "claim", None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(claims, "WATCH_SECONDS", 1.0)


def of(database: Path, paths: Paths) -> MlflowStore:
    return MlflowStore(f"sqlite:///{database}", paths)


def elsewhere(seconds_ago: float) -> Claim:
    """The claim of a process on another machine, whose heart has beaten so long ago."""
    holder = Holder(host="lab3", machine="other", pid=4711, created=0.0, since="2026-05-04T10:12:08+00:00")
    return Claim("theirs", holder, time.time() - seconds_ago)


def test_a_second_state_root_is_refused_and_told_who_holds_the_study(
    database: Path, roots: tuple[Paths, Paths]
) -> None:
    bea, cem = roots
    with study_lock("quick", bea, of(database, bea)):
        with (
            pytest.raises(StudyLockedError) as refused,
            study_lock("quick", cem, of(database, cem)),
        ):
            pass
        text = str(refused.value)
        who = f"process {os.getpid()} on {socket.gethostname()} since 20"
        assert text.startswith(f"study 'quick' is being run by {who}")
        assert "wait for it, or end it first (claimed in " in text
        assert str(claimant("quick", of(database, cem))).startswith(who)
        with study_lock("slow", cem, of(database, cem)):
            pass
    assert claimant("quick", of(database, cem)) is None
    with study_lock("quick", cem, of(database, cem)):
        pass


def test_the_own_database_of_a_state_root_is_not_claimed(paths: Paths) -> None:
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    with study_lock("quick", paths, store):
        assert not paths.mlflow_db.exists()


def test_the_owner_of_a_database_is_refused_while_another_runs_the_study_in_it(
    paths: Paths, tmp_path: Path
) -> None:
    uri, guest = f"sqlite:///{paths.mlflow_db}", Paths(tmp_path / "guest")
    own = MlflowStore(uri, paths)
    with (
        study_lock("quick", guest, MlflowStore(uri, guest)),
        pytest.raises(StudyLockedError, match=f"process {os.getpid()} on"),
        study_lock("quick", paths, own),
    ):
        pass
    own.tag_study("quick", "claim", elsewhere(seconds_ago=600).text)
    with study_lock("quick", paths, own):
        pass


def test_a_claim_makes_no_study(database: Path, roots: tuple[Paths, Paths]) -> None:
    store = of(database, roots[0])
    with study_lock("refused", roots[0], store):
        pass
    assert "refused" not in store.studies()


def test_a_claim_that_a_store_kept_while_it_was_away_does_not_bind_its_own_process(
    database: Path, roots: tuple[Paths, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = of(database, roots[0])
    monkeypatch.setattr(away, "answers", lambda: False)
    with claimed("quick", away, "study 'quick'"):
        pass
    store = of(database, roots[1])
    assert store.study_tag("quick", "claim") is not None
    assert claimant("quick", store) is None
    with claimed("quick", store, "study 'quick'"):
        pass


def test_the_heart_follows_a_clock_that_is_set(
    database: Path, roots: tuple[Paths, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = of(database, roots[0])
    with claimed("quick", store, "study 'quick'"):
        created = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 100)
        time.sleep(0.5)
        assert claimant("quick", of(database, roots[1])) is not None


def test_time_in_which_the_store_is_away_is_no_silence(
    database: Path, roots: tuple[Paths, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = elsewhere(seconds_ago=600)
    asked = 0

    def read(*arguments: object) -> Claim:
        nonlocal asked
        asked += 1
        if asked == 2:
            time.sleep(1.2)  # longer than it is watched
        return theirs if asked < 5 else replace(theirs, beat=theirs.beat + 1)

    monkeypatch.setattr(claims, "_read", read)
    with pytest.raises(StudyLockedError), claimed("quick", of(database, roots[0]), "study 'quick'"):
        pass


def test_the_claim_of_a_killed_process_of_this_machine_is_taken_over_at_once(
    database: Path, roots: tuple[Paths, Paths]
) -> None:
    bea, cem = roots
    command = [sys.executable, "-c", HOLD, str(bea.root), f"sqlite:///{database}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(StudyLockedError, match=f"process {other.pid} on"),
            study_lock("quick", cem, of(database, cem)),
        ):
            pass
        other.kill()
        other.wait()
    with study_lock("quick", cem, of(database, cem)):
        pass


@contextmanager
def beating(store: MlflowStore, first: Claim) -> Iterator[None]:
    """The holder of a claim goes on, by a clock that is as wrong as it was."""
    stop = threading.Event()

    def beat() -> None:
        beats = first.beat
        while not stop.wait(0.1):
            beats += 0.1
            store.tag_study("quick", "claim", replace(first, beat=beats).text)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_claim_of_another_machine_holds_while_its_heart_beats(
    database: Path, roots: tuple[Paths, Paths]
) -> None:
    store = of(database, roots[0])
    store.tag_study("quick", "claim", elsewhere(seconds_ago=3).text)
    with (
        pytest.raises(StudyLockedError, match=r"process 4711 on lab3 .* sign of life was 3 s ago"),
        claimed("quick", store, "study 'quick'"),
    ):
        pass
    assert claimant("quick", store) is not None


@pytest.mark.parametrize("seconds_ago", [600, -600])
def test_a_clock_that_is_wrong_takes_no_study_from_a_living_process(
    database: Path, roots: tuple[Paths, Paths], seconds_ago: float
) -> None:
    store, theirs = of(database, roots[0]), elsewhere(seconds_ago)
    store.tag_study("quick", "claim", theirs.text)
    with (
        beating(of(database, roots[1]), theirs),
        pytest.raises(StudyLockedError, match="process 4711 on lab3"),
        claimed("quick", store, "study 'quick'"),
    ):
        pass


@pytest.mark.parametrize("seconds_ago", [600, -600])
def test_a_stale_claim_of_another_machine_is_watched_and_taken_over(
    database: Path, roots: tuple[Paths, Paths], caplog: pytest.LogCaptureFixture, seconds_ago: float
) -> None:
    store = of(database, roots[0])
    store.tag_study("quick", "claim", elsewhere(seconds_ago).text)
    assert claimant("quick", store) is None
    with claimed("quick", store, "study 'quick'"):
        assert f"process {os.getpid()} on" in str(claimant("quick", store))
    assert "a stale claim was taken over: study 'quick', process 4711 on lab3" in caplog.text


def test_of_two_at_the_same_moment_the_one_that_wrote_first_leaves(
    database: Path, roots: tuple[Paths, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, theirs = of(database, roots[0]), elsewhere(0)

    def another_writes(seconds: float) -> None:
        of(database, roots[1]).tag_study("quick", "claim", theirs.text)

    monkeypatch.setattr(claims.time, "sleep", another_writes)
    with pytest.raises(StudyLockedError, match="process 4711 on lab3"), claimed("quick", store, "it"):
        pass
    assert json.loads(store.study_tag("quick", "claim") or "") == asdict(theirs)


def test_a_holder_that_was_overtaken_ends_at_its_next_heartbeat_and_leaves_the_claim(
    database: Path, roots: tuple[Paths, Paths]
) -> None:
    store, lost = of(database, roots[0]), threading.Event()
    with claimed("quick", store, "study 'quick'", lost=lost.set):
        before = store.study_tag("quick", "claim")
        time.sleep(0.5)
        assert store.study_tag("quick", "claim") != before  # its heart beats
        of(database, roots[1]).tag_study("quick", "claim", elsewhere(0).text)
        assert lost.wait(10)
    assert "lab3" in str(claimant("quick", store))


def test_what_does_not_read_as_a_claim_is_none(database: Path, roots: tuple[Paths, Paths]) -> None:
    store = of(database, roots[0])
    for text in ("", "{", '{"token": "a"}', '{"token": "a", "holder": {"host": 1}, "beat": 0}'):
        store.tag_study("quick", "claim", text)
        with claimed("quick", store, "study 'quick'"):
            pass
