"""Rounds of SIGKILL over a grid of tiny trials, and what has to hold at the end of each.

    python -m tests.faults.rounds --rounds 100 --out benchmarks/results/faults.json
    python -m tests.faults.rounds --rounds 1 --first 1000 --seeds 20 --kills 12     # 40 trials

A round starts the grid by its command, kills workers and orchestrators at moments drawn from its seed, runs
the same command again until it is done, and looks. Rounds that the file holds already are not repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[1] / "orchestration"))

import tiny

from ablab.orchestration.leftovers import leases
from ablab.paths import Paths

STUDY = "tinygrid"
EPOCHS, EVALUATE_EVERY = 60, 6
_OF_THE_MACHINE = ("seconds", "throughput/", "memory/")
"""Metrics of the machine, which no two trainings share."""
_LONGEST_SECONDS = 900.0

Points = Counter[tuple[str, str, int, float | None]]
"""(key, metric, step, value), how often; the value of what the machine decides is left out."""


@dataclass(frozen=True, slots=True)
class Round:
    """What happened in one round."""

    seed: int
    trials: int
    killed_workers: int
    killed_orchestrators: int
    starts: int
    """How often the command was given."""
    retried: int
    """Runs that were begun more than once."""
    seconds: float
    problems: tuple[str, ...]
    """What did not hold; empty where all did."""


def undisturbed(folder: Path, seeds: tuple[int, ...]) -> Points:
    """The points of the same grid where nothing is killed."""
    folder.mkdir(parents=True)
    paths = Paths(folder / "mlruns")
    done = tiny.start(paths, "grid", "run", write(folder, seeds), "--workers", "2")
    _, error = done.communicate(timeout=_LONGEST_SECONDS)
    assert done.returncode == 0, error
    return points(paths.mlflow_db)


def play(seed: int, folder: Path, seeds: tuple[int, ...], kills: int, expected: Points) -> Round:
    """One round."""
    folder.mkdir(parents=True)
    paths = Paths(folder / "mlruns")
    grid = write(folder, seeds)
    chance = random.Random(seed)
    plan = [chance.choice(("worker", "worker", "orchestrator")) for _ in range(kills)]
    began = time.monotonic()
    starts, counts, problems = 0, Counter[str](), []
    while True:
        starts += 1
        errors = folder / f"errors-{starts}.txt"
        with errors.open("w") as stream:
            process = tiny.start(
                paths,
                "grid",
                "run",
                grid,
                "--workers",
                "2",
                "--json",
                output=subprocess.DEVNULL,
                errors=stream,
            )
            while plan and process.poll() is None:
                if chance.random() < 0.75:
                    _until_a_run_is_open(process, paths)
                _pause(process, chance.uniform(0.0, 2.0))
                victim = plan[0]
                if process.poll() is None and _kill(victim, process, paths, chance):
                    plan.pop(0)
                    counts[victim] += 1
            process.wait(timeout=_LONGEST_SECONDS)
        if process.returncode == 0:
            break
        if starts > kills + 3 or time.monotonic() - began > _LONGEST_SECONDS:
            problems.append(f"never done: exit {process.returncode}: {errors.read_text()[-2000:]}")
            break
    problems += look(paths, expected)
    return Round(
        seed=seed,
        trials=2 * len(seeds),
        killed_workers=counts["worker"],
        killed_orchestrators=counts["orchestrator"],
        starts=starts,
        retried=_retried(paths),
        seconds=round(time.monotonic() - began, 1),
        problems=tuple(problems),
    )


def write(folder: Path, seeds: tuple[int, ...]) -> Path:
    """The grid's file: two cells that write a checkpoint every other epoch."""
    return tiny.write(folder, epochs=EPOCHS, seeds=seeds, evaluate_every=EVALUATE_EVERY)


def look(paths: Paths, expected: Points, file: Path | None = None) -> list[str]:
    """What does not hold of a grid that is done; ``file`` is a server's database."""
    problems = []
    with contextlib.closing(sqlite3.connect(file or paths.mlflow_db)) as database:
        query = (
            "SELECT k.value, r.status FROM runs r JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = 'key'"
        )
        runs = database.execute(query).fetchall()
    keys = {key for key, _, _, _ in expected}
    finished = Counter(key for key, status in runs if status == "FINISHED")
    if finished != Counter(keys):
        problems.append(
            f"finished runs by key: {dict(finished)}, where each of {sorted(keys)} should be once"
        )
    problems += [f"a run of {key} reads {status}" for key, status in runs if status != "FINISHED"]
    found = points(file or paths.mlflow_db)
    if found != expected:
        more, fewer = found - expected, expected - found
        problems.append(
            f"points: {len(more)} too many {list(more)[:5]}, {len(fewer)} missing {list(fewer)[:5]}"
        )
    left = [str(process) for process in processes_of(paths, patience_seconds=8)]
    problems += [f"left running: {process}" for process in left]
    for folder in (paths.journals, paths.workers(STUDY), paths.root / "runs"):
        if folder.exists() and any(folder.iterdir()):
            problems.append(f"left in {folder.name}: {sorted(each.name for each in folder.iterdir())}")
    return problems


def points(file: Path) -> Points:
    """Every metric point in MLflow's own tables."""
    query = (
        "SELECT k.value, m.key, m.step, m.value FROM metrics m"
        " JOIN tags k ON k.run_uuid = m.run_uuid AND k.key = 'key'"
    )
    with contextlib.closing(sqlite3.connect(file)) as database:
        return Counter(
            (key, metric, step, None if metric.startswith(_OF_THE_MACHINE) else value)
            for key, metric, step, value in database.execute(query)
        )


def processes_of(paths: Paths, patience_seconds: float = 0.0) -> list[psutil.Process]:
    """Processes that work under this state root, once they have had time to end."""
    mark = f"ABLAB_HOME={paths.root}".encode()
    deadline = time.monotonic() + patience_seconds
    while True:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                is_alive = process.status() != psutil.STATUS_ZOMBIE
                if is_alive and mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                    found.append(process)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _kill(victim: str, process: subprocess.Popen[str], paths: Paths, chance: random.Random) -> bool:
    """Kill the orchestrator (alone, or with its process group), or a worker; False where there is none."""
    if victim == "orchestrator":
        if not leases(STUDY, paths):
            return False  # it has not begun
        if chance.random() < 0.5:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    living = [lease.holder.process for lease in leases(STUDY, paths) if lease.holder is not None]
    workers = [worker for worker in living if worker is not None]
    if not workers:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        chance.choice(workers).kill()
        return True
    return False


def _until_a_run_is_open(process: subprocess.Popen[str], paths: Paths) -> None:
    """So that most kills find a training, and some find whatever else is going on."""
    while process.poll() is None and not any((paths.root / "runs").glob("*/*")):
        time.sleep(0.05)


def _pause(process: subprocess.Popen[str], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def _retried(paths: Paths) -> int:
    with contextlib.closing(sqlite3.connect(paths.mlflow_db)) as database:
        query = "SELECT count(*) FROM tags WHERE key = 'attempt' AND value != '1'"
        return int(database.execute(query).fetchone()[0])


def main() -> int:
    """Play the rounds that are missing, and write the file after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first round")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each of the two cells")
    parser.add_argument("--kills", type=int, default=3, help="kills in each round")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    seeds = tuple(range(asked.seeds))
    known = json.loads(asked.out.read_text()) if asked.out is not None and asked.out.exists() else {}
    played = {entry["seed"]: entry for entry in known.get("rounds", ())}
    with tempfile.TemporaryDirectory(prefix="ablab-faults-") as name:
        folder = Path(name)
        expected = undisturbed(folder / "undisturbed", seeds)
        for seed in range(asked.first, asked.first + asked.rounds):
            if seed in played and not played[seed]["problems"]:
                continue
            result = play(seed, folder / str(seed), seeds, asked.kills, expected)
            print(json.dumps(asdict(result)), flush=True)
            played[seed] = asdict(result)
            if asked.out is not None:
                asked.out.write_text(_document(list(played.values()), asked.rounds))
    return 1 if any(entry["problems"] for entry in played.values()) else 0


def _document(rounds: list[dict[str, object]], asked: int) -> str:
    from benchmarks.__main__ import circumstances

    whole = [entry for entry in rounds if not entry["problems"]]
    return (
        json.dumps(
            {
                **circumstances(),
                "command": f"python -m tests.faults.rounds {' '.join(sys.argv[1:])}",
                "asked": asked,
                "played": len(rounds),
                "whole": len(whole),
                "killed_workers": sum(int(str(entry["killed_workers"])) for entry in rounds),
                "killed_orchestrators": sum(int(str(entry["killed_orchestrators"])) for entry in rounds),
                "rounds": sorted(rounds, key=lambda entry: int(str(entry["seed"]))),
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
