"""Baselines in words and as JSON: one that was just promoted, and all versions of a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablab.comparison import figures
from ablab.regression.promotion import Promotion
from ablab.tracking.baselines import Version


def promotion_object(done: Promotion) -> dict[str, Any]:
    """The object of ``regression promote --json``; its schema is ``docs/json/regression_promote.json``."""
    return {
        **_version_object(done.version),
        "runs": [run.run_id for run in done.baseline.runs],
        "notes": list(done.notes),
    }


def promotion_lines(done: Promotion) -> list[str]:
    """What was promoted, and what to type next."""
    baseline, version = done.baseline, done.version
    seeds = figures.plural(len(baseline.seeds), "seed")
    return [
        f"{version.name} version {version.version}: {baseline.label} of {baseline.study}, {seeds}, "
        f"test r {figures.plain(done.mean)}, code {baseline.code_fingerprint[:8]}, "
        f"data {baseline.data_fingerprint[:12]}",
        f"next  a gate: 'baseline: {version.name}' in a file such as ablations/regression_smoke.yaml;  "
        f"ablab regression baselines {version.name}",
    ]


def versions_object(name: str, versions: Sequence[Version]) -> dict[str, Any]:
    """The object of ``regression baselines --json``; schema: ``docs/json/regression_baselines.json``."""
    return {"baseline": name, "versions": [_version_object(version) for version in versions]}


def versions_lines(versions: Sequence[Version]) -> list[str]:
    """One line per version, the current one marked."""
    return [_line(version) for version in versions]


def _line(version: Version) -> str:
    tags = version.tags
    mark = "*" if version.is_current else " "
    why = f"  {tags['why']}" if tags.get("why") else ""
    return (
        f"{mark} {version.version:>3}  {tags.get('when', '')}  {tags.get('who', '')}  "
        f"{tags.get('study', '')}: {tags.get('label', '')}  seeds {tags.get('seeds', '')}  r {_r(version)}  "
        f"code {tags.get('code_fingerprint', '')[:8]}{why}"
    )


def _r(version: Version) -> str:
    text = version.tags.get("test_pearson", "")
    return figures.plain(float(text)) if text else figures.NONE


def _version_object(version: Version) -> dict[str, Any]:
    tags = version.tags
    return {
        "baseline": version.name,
        "version": version.version,
        "current": version.is_current,
        "run_id": version.run_id,
        "source": version.source,
        "study": tags.get("study", ""),
        "cell": tags.get("cell", ""),
        "seeds": [int(seed) for seed in tags.get("seeds", "").split(", ") if seed],
        "test_pearson": float(tags["test_pearson"]) if tags.get("test_pearson") else None,
        "data_fingerprint": tags.get("data_fingerprint", ""),
        "code_fingerprint": tags.get("code_fingerprint", ""),
        "who": tags.get("who", ""),
        "when": tags.get("when", ""),
        "why": tags.get("why", ""),
    }
