"""The far end of a launcher that sends trials to other machines: one trial, in a process of its own there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ablab.orchestration.after_all import finished_after_all
from ablab.orchestration.events import Emit, End, Event, Finished
from ablab.orchestration.launchers import Act, Place
from ablab.orchestration.lease import STALE_SECONDS, find
from ablab.orchestration.local_launcher import LocalLauncher
from ablab.orchestration.lock import trial_lease
from ablab.orchestration.worker_process import take
from ablab.paths import Paths
from ablab.spec.trial import Trial

GRACE_SECONDS = 9.0
"""As an orchestrating process gives its own workers."""

_CUT_OFF_SECONDS = 6.0
"""A machine that was lost may only have been cut off. Its trial ends within five seconds of noticing."""


def train_far(
    act: Act,
    trial: Trial,
    place: Place,
    tell: Emit,
    asked_to_end: Callable[[], str | None],
    *,
    preload: Sequence[str] | None = None,
) -> End:
    """Run the act in a fresh process of this machine, as the local launcher does; returns how it ended.

    tell: hears all but the end, in order. asked_to_end: a reason as soon as the trial is to leave; asked a
    few times a second. preload: as `LocalLauncher` takes it.
    However this is left, nothing of the trial is running afterwards.
    """
    ends: list[End] = []

    def hear(event: Event) -> None:
        if isinstance(event, End):
            ends.append(event)
        else:
            tell(event)

    take(place)
    launcher = LocalLauncher(act, place, hear, 1, preload=preload)
    try:
        launcher.submit(trial)
        while launcher.in_flight:
            launcher.wait()
            reason = asked_to_end()
            if reason is not None:
                launcher.end(trial.key, reason)
    finally:
        launcher.stop(GRACE_SECONDS)
    return ends[0]


def wait_for_earlier_attempt(trial: Trial, place: Place) -> None:
    """Wait until the attempt before this one is over, so that two processes never write one run.

    Where the state root is shared, its lease says so: at once, or a minute after its machine was lost.
    """
    time.sleep(_CUT_OFF_SECONDS)
    file = trial_lease(trial.study, place.role, trial.key, Paths(place.root))
    deadline = time.monotonic() + 2 * STALE_SECONDS
    while (lease := find(file)) is not None and lease.is_live and time.monotonic() < deadline:
        time.sleep(1.0)


def end_of_earlier_attempt(trial: Trial, place: Place, run_id: str) -> Finished | None:
    """The end of an attempt that finished its run and was lost before it could say so; None for any other."""
    take(place)
    from ablab.tracking.open import open_store

    return finished_after_all(trial, place.role, run_id, open_store(Paths(place.root), patient=True))
