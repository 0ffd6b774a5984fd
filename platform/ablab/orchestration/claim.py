"""Who works on a study of a shared store, said there: leases lie in a state root, and others have their own.

A tag of the study holds the same as a lease, and a heartbeat. MLflow cannot write a tag only where it is
unchanged, so the last to write wins: whoever reads another's claim in place of its own leaves, at once while
it begins, or at its next heartbeat.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import psutil  # type: ignore[import-untyped]

from ablab.errors import StoreError, StudyLockedError
from ablab.orchestration.lease import STALE_SECONDS, Holder, end_this_process
from ablab.tracking.store import RunStore

BEAT_SECONDS = 10.0
WATCH_SECONDS = 3 * BEAT_SECONDS
"""How long a claim that looks stale is watched: the clock of its holder may be wrong."""
SETTLE_SECONDS = 0.5
"""For the claim of another that had looked at the same moment."""

_held: set[str] = set()
"""Tokens of the claims that this process holds; one that the store kept while it was away is over."""

log = logging.getLogger("ablab")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the tag holds."""

    token: str
    """Its own for each claim."""
    holder: Holder
    beat: float
    """Seconds since 1970, of the holder's clock."""

    @property
    def text(self) -> str:
        """The tag."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        seconds = max(0.0, time.time() - self.beat)
        return f"{self.holder}, whose last sign of life was {seconds:.0f} s ago"


@contextmanager
def claimed(
    study: str, store: RunStore, what: str, name: str = "claim", lost: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the claim, with a heartbeat, where the store is shared; a stale one is taken over.

    A store of one's own is not claimed, and looked at all the same: others may have been given its address.

    what: for people. name: of the claim in the study. lost: as for `ablab.orchestration.lease.hold`.

    Raises StudyLockedError, saying that ``what`` is run, by whom and since when; StoreError.
    """
    found = _read(study, store, name)
    if not store.is_shared:
        if found is not None and _is_fresh(found):
            raise _refusal(what, found, store)
        yield
        return
    if found is not None:
        if not _is_over(found, lambda: _read(study, store, name)):
            raise _refusal(what, found, store)
        log.warning("a stale claim was taken over: %s, %s", what, found)
    mine = Claim(secrets.token_hex(8), Holder.of_this_process(), time.time())
    stop = threading.Event()
    beat = threading.Thread(
        target=_beat,
        args=(study, store, name, what, mine, stop, lost or end_this_process),
        name=f"claim of {what}",
        daemon=True,
    )
    _held.add(mine.token)
    try:
        store.tag_study(study, name, mine.text)
        time.sleep(SETTLE_SECONDS)
        now = _read(study, store, name)
        if now is not None and now.token != mine.token:
            raise _refusal(what, now, store)
        beat.start()
        yield
    finally:
        stop.set()
        _held.discard(mine.token)
        if beat.ident is not None:
            beat.join(BEAT_SECONDS)  # a request may be on its way
        with contextlib.suppress(StoreError):
            if store.answers() and _is_mine(_read(study, store, name), mine):
                store.tag_study(study, name, None)


def claimant(study: str, store: RunStore) -> str | None:
    """Who runs the study now by its claim in the store, for people; None where nobody is seen to."""
    found = _read(study, store, "claim")
    return str(found) if found is not None and _is_fresh(found) else None


def _beat(
    study: str,
    store: RunStore,
    name: str,
    what: str,
    mine: Claim,
    stop: threading.Event,
    lost: Callable[[], None],
) -> None:
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(StoreError):  # nobody else can read it then either
            if not store.answers():
                continue
            now = _read(study, store, name)
            if stop.is_set():
                return
            if now is not None and now.token != mine.token:
                log.warning("%s was taken over by %s; this process ends", what, now.holder)
                lost()
                return
            # The start time anew: it moves with the machine's clock, where that is set.
            holder = replace(mine.holder, created=psutil.Process().create_time())
            store.tag_study(study, name, replace(mine, holder=holder, beat=time.time()).text)


def _is_mine(found: Claim | None, mine: Claim) -> bool:
    return found is not None and found.token == mine.token


def _is_over(found: Claim, read: Callable[[], Claim | None]) -> bool:
    """Whether its holder is gone: the kernel says so where it was here, else a heart that does not beat."""
    if _is_fresh(found):
        return False
    if found.holder.is_here:
        return True
    deadline = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        time.sleep(BEAT_SECONDS / 10)
        asked = time.monotonic()
        now = read()
        if now != found:
            return now is None
        if time.monotonic() - asked > BEAT_SECONDS / 2:
            deadline = time.monotonic() + WATCH_SECONDS  # the store was away, for the holder as well
    return True


def _is_fresh(found: Claim) -> bool:
    if found.holder.is_this_process:
        return found.token in _held
    if found.holder.is_here:
        return found.holder.process is not None
    return abs(time.time() - found.beat) < STALE_SECONDS


def _read(study: str, store: RunStore, name: str) -> Claim | None:
    text = store.study_tag(study, name)
    try:
        values = json.loads(text or "")
        return Claim(values["token"], Holder(**values["holder"]), float(values["beat"]))
    except (ValueError, TypeError, KeyError):
        return None


def _refusal(what: str, found: Claim, store: RunStore) -> StudyLockedError:
    return StudyLockedError(
        f"{what} is being run by {found}; wait for it, or end it first (claimed in {store.address})"
    )
