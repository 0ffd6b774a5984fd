"""What each diagnostics preset adds to training: whole trials on simulated listeners, presets in turn.

Each round trains the same trial under every preset, so that a machine that drifts slows all of them.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from ablab.data.datasets import open_corpus
from ablab.designs.expand import expand
from ablab.paths import Paths
from ablab.spec.load import load_grid
from ablab.training.observer import Observer
from ablab.training.run import run

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
PRESETS = ("off", "cheap", "full")


def _windows_per_second(preset: str, home: Path) -> float:
    loaded = load_grid(
        ROOT / "ablations" / "quickstart.yaml", [f"diagnostics.preset={preset}", "training.epochs=2"]
    )
    corpus = open_corpus(next(iter(loaded.bases.values())).dataset, Paths(home))
    trial = expand(loaded.grid, loaded.bases, corpus.fingerprint)[0]
    outcome = run(trial, corpus, home / preset, Observer())
    return outcome.metrics["throughput/windows_per_second"]


def measure() -> list[dict[str, str | float]]:
    """One row per preset; the ratio is the median over rounds of off's speed to the preset's."""
    with tempfile.TemporaryDirectory() as home:
        rounds = [
            {preset: _windows_per_second(preset, Path(home)) for preset in PRESETS} for _ in range(ROUNDS)
        ]
    return [
        {
            "preset": preset,
            "windows_per_second": round(statistics.median(speeds[preset] for speeds in rounds), 1),
            "time_ratio_to_off": round(statistics.median(s["off"] / s[preset] for s in rounds), 3),
        }
        for preset in PRESETS
    ]
