"""A search -> terminal and JSON: its best points, what mattered, and what fresh seeds left of the gain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ablab.comparison import figures, verdicts
from ablab.comparison.searched import Confirmation, Point, PointState, SearchReport
from ablab.designs.labels import short_names
from ablab.reporting import json as comparison_json
from ablab.spec.writing import yaml_value

_STATES: tuple[PointState, ...] = ("complete", "pruned", "failed", "open")


def lines(report: SearchReport, top: int = 10) -> tuple[str, ...]:
    """What ``search show`` prints."""
    counts = Counter(point.state for point in report.points)
    told = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state]) or "none yet"
    mean = f"mean of {figures.plural(report.n_seeds, 'seed')}"
    head = f"{report.study}: {report.objective}, {mean}, {report.direction}d; {report.planned} points: {told}"
    found = [head, *_table(report, top), *_unfit(report)]
    if report.importance:
        names = short_names(report.importance)
        shares = "   ".join(f"{names[key]} {share:.2f}" for key, share in report.importance.items())
        found.append(f"importance  {shares}   (PED-ANOVA: what sets the best points apart)")
    elif report.ranked:
        found.append("importance  not given: needs 10 complete points that differ")
    found += _confirmed(report)
    return tuple(found)


def as_object(report: SearchReport) -> dict[str, Any]:
    """The object that ``search show --json`` prints; its schema is ``docs/json/search_show.json``."""
    winner, confirmed = report.winner, report.confirmation
    return {
        "study": report.study,
        "objective": report.objective,
        "direction": report.direction,
        "seeds_per_trial": report.n_seeds,
        "planned": report.planned,
        "pruned": sum(point.state == "pruned" for point in report.points),
        "points": [_point_object(point) for point in report.points],
        "winner": None if winner is None else winner.number,
        "importance": None if report.importance is None else dict(report.importance),
        "confirmation": None if confirmed is None else _confirmation_object(confirmed),
    }


def level_text(levels: Mapping[str, Any]) -> str:
    """A point in one line, numbers to three digits: ``gradient_scale=2.31, learning_rate=0.000413``."""
    names = short_names(levels)
    return ", ".join(f"{names[key]}={_short(level)}" for key, level in levels.items())


def _table(report: SearchReport, top: int) -> list[str]:
    if not report.ranked:
        return []
    shown = list(report.ranked[:top])
    base = next((point for point in report.ranked if point.is_base), None)
    if base is not None and base not in shown:
        shown.append(base)
    rows = [("rank", "point", "value", "seconds", "levels")]
    for point in shown:
        rank = str(report.ranked.index(point) + 1)
        note = "   (the base)" if point.is_base else ""
        seconds = "-" if point.seconds is None else f"{point.seconds:.0f}"
        rows.append(
            (rank, f"p{point.number}", figures.plain(point.value), seconds, level_text(point.levels) + note)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  " + "  ".join([*(text.rjust(width) for text, width in zip(row[:4], widths, strict=True)), row[4]])
        for row in rows
    ]


def _unfit(report: SearchReport) -> list[str]:
    failed = [point for point in report.points if point.state == "failed"]
    return [f"! p{point.number} failed: {point.reason}   ({level_text(point.levels)})" for point in failed]


def _confirmed(report: SearchReport) -> list[str]:
    confirmed, winner = report.confirmation, report.winner
    if winner is None:
        return []
    if winner.is_base:
        return [
            f"winner      p{winner.number}: the base itself; no point was better, and nothing is to confirm"
        ]
    if confirmed is None:
        return [f"winner      p{winner.number}, not confirmed: the best of many is too high by that alone"]
    seeds = figures.plural(confirmed.n_seeds, "fresh seed")
    found = [
        f"winner      p{winner.number}: {level_text(winner.levels)}",
        f"optimism    {confirmed.objective} {figures.plain(confirmed.searched)} in the search,"
        f" {figures.plain(confirmed.confirmed)} with {seeds}: {figures.signed(confirmed.optimism)}",
    ]
    gain = confirmed.confirmed - confirmed.base_confirmed
    before = ""
    if confirmed.base_searched is not None:
        before = f"{figures.signed(confirmed.searched - confirmed.base_searched)} in the search, "
    found.append(f"gain        over the base: {before}{figures.signed(gain)} with {seeds}, on validation")
    found.append(f"confirmed   {verdicts.headline(confirmed.comparison)}")
    found.append(f"next        ablab compare {confirmed.study}")
    return found


def _point_object(point: Point) -> dict[str, Any]:
    return {
        "number": point.number,
        "levels": dict(point.levels),
        "state": point.state,
        "value": point.value,
        "seconds": point.seconds,
        "reason": point.reason,
        "is_base": point.is_base,
    }


def _confirmation_object(confirmed: Confirmation) -> dict[str, Any]:
    return {
        "study": confirmed.study,
        "searched": confirmed.searched,
        "confirmed": confirmed.confirmed,
        "optimism": confirmed.optimism,
        "seeds": confirmed.n_seeds,
        "base_searched": confirmed.base_searched,
        "base_confirmed": confirmed.base_confirmed,
        "comparison": comparison_json.as_object(confirmed.comparison),
    }


def _short(level: Any) -> str:
    return f"{level:.3g}" if isinstance(level, float) else yaml_value(level)
