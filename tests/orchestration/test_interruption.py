from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from ablab.orchestration.interruption import deferred, exposed, interruptible, requests, shielded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_where_nothing_shields(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)


def test_a_shielded_block_runs_to_its_end_and_the_request_is_raised_behind_it() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM):
        with shielded():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(requests())
        reached.append(-1)
    assert reached == [1]


def test_a_shield_inside_a_shield_leaves_the_raising_to_the_outer_one() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM), shielded():
        with shielded():
            os.kill(os.getpid(), signal.SIGTERM)
        reached.append("behind the inner")
    assert reached == ["behind the inner"]


def test_an_exposed_block_raises_what_is_pending() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM), shielded():
        os.kill(os.getpid(), signal.SIGTERM)
        with exposed():
            pytest.fail("the pending request was not raised")


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible(signal.SIGTERM):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_deferred_request_is_told_and_raised_on_leaving() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM):
        with deferred(60) as asked:
            reached.append(asked())
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(asked())
        reached.append(True)
    assert reached == [False, True]


def test_a_second_request_is_not_deferred() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM), deferred(60):
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("first")
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("second")
    assert reached == ["first"]


def test_patience_ends() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible(signal.SIGTERM), deferred(0.05):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert time.monotonic() - began < 2


def test_what_the_block_raises_is_raised_once_and_leaves_no_timer() -> None:
    with (
        pytest.raises(KeyboardInterrupt, match="saved"),
        interruptible(signal.SIGTERM),
        deferred(60) as asked,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
        raise KeyboardInterrupt("saved")
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_nothing_asked_nothing_raised() -> None:
    with interruptible(signal.SIGTERM), deferred(60) as asked:
        pass
    assert not asked()
