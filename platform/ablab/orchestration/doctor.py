"""What a person would look at when something is odd, looked at in one go. Imports no torch.

Each check is a function from the state root to findings; none changes anything.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, get_args

from packaging.requirements import Requirement

from ablab.errors import AblabError, StoreError
from ablab.orchestration.lease import Found, find
from ablab.orchestration.leftovers import abandoned
from ablab.orchestration.memory import gib, look
from ablab.paths import Paths
from ablab.spec.record import Role
from ablab.tracking.file_systems import mount_of
from ablab.tracking.health import try_store
from ablab.tracking.journal import undelivered
from ablab.tracking.open import open_store, tracking_uri
from ablab.tracking.store import RunState, RunStore

_LEAST_FREE_BYTES = 2**30
"""A full-size run keeps two checkpoints, its best weights and its predictions: some 100 MB."""
_GPU_SECONDS = 20.0

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    text: str
    advice: str = ""
    """What to do about it."""


def examine(paths: Paths) -> tuple[Finding, ...]:
    """All checks, in the order they are shown; one that cannot be made is a finding too."""
    found: list[Finding] = []
    for check, act in CHECKS.items():
        try:
            found += act(check, paths)
        except AblabError as error:
            first, _, rest = str(error).partition("\n")
            found.append(Finding(check, "wrong", first, rest))
    return tuple(found)


def fix(paths: Paths, store: RunStore) -> tuple[str, ...]:
    """Deliver journals, close runs that nobody works on as killed, remove stale leases; in words."""
    done = [f"delivered run {run_id}" for run_id in store.deliver().delivered]
    for study, state in _abandoned(paths, store):
        store.close(state.run_id, "killed", "its process ended without closing the run")
        done.append(f"closed {study}: {state.cell} seed {state.seed} as killed")
    for lease in _stale(paths):
        lease.file.unlink(missing_ok=True)
        done.append(f"removed the stale lease {lease.file}")
    return tuple(done)


def _environment(check: str, paths: Paths) -> Iterator[Finding]:
    python = f"Python {platform.python_version()}, ablab {metadata.version('ablab')}, {platform.system()}"
    yield Finding(check, "ok", f"{python}, {look()}")
    yield Finding(
        check, "ok", f"state root {paths.root}" + ("" if paths.root.exists() else ", not there yet")
    )


def _versions(check: str, paths: Paths) -> Iterator[Finding]:
    wrong = False
    for text in metadata.requires("ablab") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong = True
            yield Finding(check, "wrong", f"{wanted.name} is not installed", "make setup")
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            wrong = True
            text = f"{wanted.name} {installed} is installed, and {wanted.specifier} is needed"
            yield Finding(check, "wrong", text, "make setup")
    if not wrong:
        main = ", ".join(
            f"{name} {metadata.version(name)}" for name in ("torch", "mlflow", "optuna", "numpy")
        )
        yield Finding(check, "ok", f"all requirements are met: {main}")


def _gpus(check: str, paths: Paths) -> Iterator[Finding]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader"]
    if shutil.which(command[0]) is None:
        yield Finding(check, "ok", "none: there is no nvidia-smi; trials run on the CPU")
        return
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_GPU_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield Finding(check, "wrong", f"nvidia-smi gives no answer within {_GPU_SECONDS:.0f} s", "see dmesg")
        return
    if asked.returncode:
        said = (asked.stdout or asked.stderr).strip().partition("\n")[0]
        yield Finding(check, "wrong", f"nvidia-smi fails: {said}", "check the driver")
        return
    for number, line in enumerate(asked.stdout.strip().splitlines()):
        name, total, used = (part.strip() for part in line.split(","))
        yield Finding(check, "ok", f"GPU {number}: {name}, {total}, {used} in use")
    if asked.stdout.strip() and re.search(r"\+cpu$", metadata.version("torch")):
        yield Finding(
            check, "wrong", "PyTorch is the CPU build, and uses none of them", "README, 'CPU or CUDA'"
        )


def _store(check: str, paths: Paths) -> Iterator[Finding]:
    yield Finding(check, "ok", try_store(tracking_uri(paths), paths))
    mount = mount_of(paths.root)
    if mount is not None and mount.is_network:
        text = f"the state root is on a network file system ({mount.kind}, mounted at {mount.point})"
        advice = "fine for checkpoints and journals; optuna.db is written there by one process at a time"
        yield Finding(check, "note", text, advice)


def _disk(check: str, paths: Paths) -> Iterator[Finding]:
    place = next(each for each in (paths.root, *paths.root.parents) if each.exists())
    usage = shutil.disk_usage(place)
    text = f"{gib(usage.free)} free of {gib(usage.total)} at {place}"
    if usage.free < _LEAST_FREE_BYTES:
        yield Finding(check, "wrong", text, f"make room, or set ABLAB_HOME; {paths.cache} can be deleted")
    else:
        yield Finding(check, "ok", text)


def _leases(check: str, paths: Paths) -> Iterator[Finding]:
    stale = _stale(paths)
    for lease in stale:
        yield Finding(check, "wrong", f"{lease.file.stem} is stale: {lease}", "ablab doctor --fix")
    live = [lease for lease in _all_leases(paths) if lease.is_live]
    for lease in live:
        yield Finding(check, "ok", f"{lease.file.stem}: {lease}")
    if not stale and not live:
        yield Finding(check, "ok", "nobody runs anything now")


def _runs(check: str, paths: Paths) -> Iterator[Finding]:
    store = open_store(paths)
    left = list(_abandoned(paths, store))
    for study, state in left:
        text = f"{study}: {state.cell} seed {state.seed} reads running, and nobody works on it"
        yield Finding(
            check, "wrong", text, "ablab doctor --fix closes it as killed; so does the next grid run"
        )
    if not left:
        yield Finding(check, "ok", "none reads running that nobody works on")


def _journals(check: str, paths: Paths) -> Iterator[Finding]:
    left = undelivered(paths)
    for head, folder in left:
        text = f"{head.study}: {head.cell} seed {head.seed} waits in {folder}"
        yield Finding(check, "wrong", text, "ablab store sync")
    if not left:
        yield Finding(check, "ok", "nothing waits to be delivered")


CHECKS: dict[str, Callable[[str, Paths], Iterator[Finding]]] = {
    "environment": _environment,
    "versions": _versions,
    "gpus": _gpus,
    "disk": _disk,
    "store": _store,
    "leases": _leases,
    "runs": _runs,
    "journals": _journals,
}


def _all_leases(paths: Paths) -> list[Found]:
    files = [*(paths.root / "locks").glob("*.lease"), *(paths.root / "workers").glob("*/*.lease")]
    return [lease for file in sorted(files) if (lease := find(file)) is not None]


def _stale(paths: Paths) -> list[Found]:
    return [lease for lease in _all_leases(paths) if not lease.is_live]


def _abandoned(paths: Paths, store: RunStore) -> Iterator[tuple[str, RunState]]:
    """Runs that read running and have lost their process, of studies that nobody runs."""
    try:
        studies = store.studies()
    except StoreError:
        return  # said by the check of the store
    waiting = {head.run_id for head, _ in undelivered(paths)}
    for study in studies:
        held = find(paths.lease(study))
        if held is not None and held.is_live:
            continue
        for role in get_args(Role):
            dead, _ = abandoned(study, role, store, paths)
            yield from ((study, state) for state in dead if state.run_id not in waiting)
