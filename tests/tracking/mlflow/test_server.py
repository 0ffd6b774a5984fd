"""A tracking server that is away, wrong or slow; one that is there is held to the contract elsewhere."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from mlflow.tracking.client import MlflowClient

from ablab.errors import StoreError
from ablab.paths import Paths
from ablab.tracking.journal import undelivered
from ablab.tracking.mlflow import address
from ablab.tracking.mlflow import writer as writing
from ablab.tracking.mlflow.store import MlflowStore
from ablab.tracking.open import open_store
from ablab.tracking.store import Delivery, FinishedAfterAllError


class Gate:
    """A port in front of a server that can be shut: what a server looks like that is restarted."""

    def __init__(self, port: int, server: str) -> None:
        self.port, self._target = port, int(server.rpartition(":")[2])
        self._listener: socket.socket | None = None

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while self._listener is not None and self._listener.fileno() >= 0:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def gate(server: str, port: int) -> Iterator[Gate]:
    gate = Gate(port, server)
    gate.open()
    yield gate
    gate.shut()


@pytest.mark.slow
def test_a_server_that_comes_back_costs_nothing_but_a_delay(gate: Gate, paths, study, make_trial, caplog):
    store = MlflowStore(f"http://127.0.0.1:{gate.port}", paths, patience_seconds=30)
    writer = store.open_run(make_trial(study))
    gate.shut()
    threading.Timer(1.5, gate.open).start()
    writer.metrics(1, {"train/loss": 1.0})
    began = time.monotonic()
    writer.finish({"test/pearson": 0.1}, ())
    assert time.monotonic() - began > 1
    assert [record.metrics for record in store.records(study)] == [{"train/loss": 1.0, "test/pearson": 0.1}]
    assert "kept in the journal until the store takes it" in caplog.text
    assert "the store is back" in caplog.text
    assert undelivered(paths) == ()


def test_training_does_not_wait_for_a_server_that_stays_away_and_nothing_is_lost(
    gate: Gate, server, paths, study, make_trial, scores, a_file, monkeypatch
):
    monkeypatch.setattr(writing, "_FINISH_SECONDS", 1.0)
    store = MlflowStore(f"http://127.0.0.1:{gate.port}", paths, patience_seconds=1)
    writer = store.open_run(make_trial(study))
    writer.metrics(1, {"train/loss": 1.0})
    writer.flush()
    gate.shut()
    began = time.monotonic()
    for step in range(2, 50):
        writer.metrics(step, {"train/loss": 1 / step})
        writer.flush()
    assert time.monotonic() - began < 8  # one flush waits until the server is known to be away
    writer.tag({"note": "while away"})
    writer.artifact(a_file)
    a_file.write_text("changed since")
    writer.finish({"test/pearson": 0.1}, scores)

    ((head, folder),) = undelivered(paths)
    assert (head.run_id, head.study, head.seed) == (writer.run_id, study, 0)
    (left,) = store.deliver().left
    assert left.folder == folder
    assert f"http://127.0.0.1:{gate.port}: cannot " in left.reason and "no answer" in left.reason

    gate.open()
    assert store.deliver().delivered == (writer.run_id,)
    assert not paths.journals.exists()
    assert store.deliver() == Delivery()
    (record,) = store.records(study)
    assert (record.status, record.subjects) == ("finished", scores)
    assert store.curves(writer.run_id)["train/loss"] == tuple((step, 1 / step) for step in range(1, 50))
    assert store.artifact(writer.run_id, "train.log").read_text() == "epoch 1\n"


def test_a_run_that_was_killed_while_the_server_was_away_goes_on_without_a_second_point(
    gate: Gate, paths, study, make_trial
):
    store = MlflowStore(f"http://127.0.0.1:{gate.port}", paths, patience_seconds=1)
    writer = store.open_run(make_trial(study))
    for step in (1, 2):
        writer.metrics(step, {"train/loss": 1 / step})
    gate.shut()
    for step in (3, 4):
        writer.metrics(step, {"train/loss": 1 / step})
    with pytest.raises(StoreError, match=r"cannot .*no answer"):
        store.open_run(make_trial(study))  # a run gets its id from the server
    gate.open()
    again = store.open_run(make_trial(study))
    assert again.run_id == writer.run_id
    for step in (3, 4, 5):
        again.metrics(step, {"train/loss": 99.0 if step < 5 else 0.2})
    again.finish({}, ())
    history = MlflowClient(f"http://127.0.0.1:{gate.port}").get_metric_history(again.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [
        (1, 1.0),
        (2, 0.5),
        (3, 1 / 3),
        (4, 0.25),
        (5, 0.2),
    ]


@pytest.fixture
def unheard(gate: Gate, paths, study, make_trial, monkeypatch) -> tuple[MlflowStore, Any, str]:
    """A store that is back, a trial, and the trial's run, which had ended while the store was away."""
    monkeypatch.setattr(writing, "_FINISH_SECONDS", 0.5)
    store = MlflowStore(f"http://127.0.0.1:{gate.port}", paths, patience_seconds=1)
    trial = make_trial(study)
    first = store.open_run(trial)
    gate.shut()
    first.finish({"test/pearson": 0.1}, ())
    gate.open()
    return store, trial, first.run_id


def test_a_finished_run_whose_end_did_not_arrive_is_not_opened_again(unheard):
    store, trial, run_id = unheard
    with pytest.raises(FinishedAfterAllError) as found:
        store.open_run(trial)
    assert found.value.run_id == run_id
    assert store.find(run_id).status == "finished"
    assert store.open_run(trial).run_id != run_id  # asked for again, it is run again


def test_a_finished_run_of_other_code_whose_end_did_not_arrive_is_replaced(unheard, monkeypatch):
    store, trial, run_id = unheard
    monkeypatch.setattr("ablab.tracking.provenance.code_fingerprint", lambda: "another")
    assert store.open_run(trial).run_id != run_id


def test_opening_an_absent_server_fails_at_once_and_hides_the_password(paths: Paths, monkeypatch, port: int):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://team:secret@127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_store(paths)
    assert time.monotonic() - began < 5
    assert f"http://127.0.0.1:{port}: the tracking server does not answer" in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_never_answers_fails_within_seconds(paths: Paths, monkeypatch):
    monkeypatch.setattr(address, "PROBE_SECONDS", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            open_store(paths)
        assert time.monotonic() - began < 4


def test_a_patient_store_waits_until_it_is_used(paths: Paths, monkeypatch, port: int):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert open_store(paths, patient=True).address == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("uri", ["./mlruns", "file:///srv/mlruns", "databricks", "ftp://host/x"])
def test_an_address_of_another_kind_is_refused(paths: Paths, monkeypatch, uri: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(StoreError, match=r"neither a server .* nor a database"):
        open_store(paths)


def test_the_address_in_the_environment_is_used(paths: Paths, monkeypatch, server: str, study, make_trial):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store = open_store(paths)
    assert store.address == server
    writer = store.open_run(make_trial(study))
    writer.finish({}, ())
    # The server keeps the artifacts; nothing of them lies under the state root.
    assert "improvements:" in store.artifact(writer.run_id, "spec.yaml").read_text()
    assert not paths.artifacts.exists()


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers everything with one status, as a proxy or a login page does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(request.param)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("refusing", [401, 403], indirect=True)
def test_a_server_that_wants_a_login_is_reported_at_once(paths: Paths, monkeypatch, refusing: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing)
    began = time.monotonic()
    with pytest.raises(StoreError, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"):
        open_store(paths).states("s")
    assert time.monotonic() - began < 5


@pytest.fixture
def half_away() -> Iterator[str]:
    """A server that is well, by its health page, and whose database is not."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_whose_database_is_away_does_not_answer(paths: Paths, half_away: str, server: str):
    # A grid asks this before it writes, and would wait five minutes for each trial's end, deaf to Ctrl-C.
    assert not MlflowStore(half_away, paths).answers()
    assert MlflowStore(server, paths).answers()


@pytest.mark.parametrize("refusing", [401], indirect=True)
def test_a_refusal_is_an_answer(paths: Paths, refusing: str):
    assert MlflowStore(refusing, paths).answers()


@pytest.mark.parametrize("refusing", [503], indirect=True)
def test_a_server_that_is_overloaded_is_asked_again_and_then_given_up(
    paths, monkeypatch, refusing: str, caplog
):
    with pytest.raises(StoreError, match=r"cannot find study s: no answer for 1 s"):
        MlflowStore(refusing, paths, patience_seconds=1).states("s")
    assert "trying again" in caplog.text
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing)
    with pytest.raises(StoreError, match=r"does not answer .*503"):
        open_store(paths)
