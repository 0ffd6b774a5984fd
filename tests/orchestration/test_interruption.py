from __future__ import annotations

import os
import signal

import pytest

from ablab.orchestration.interruption import exposed, interruptible, requests, shielded


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
