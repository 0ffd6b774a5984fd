"""Points with intervals beneath each other: the forest plot, and whatever else is an estimate per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablab.reporting import numbers
from ablab.reporting.plots.scale import Scale, around
from ablab.reporting.plots.svg import CHARACTER, Plot, element, line, path, shortened, text, width_of

Kind = Literal["main", "other", "reference"]

ROW = 25
_HEAD, _BOTTOM = 46, 44
"""Above the rows, where something is named there, and beneath them."""
_BARE = 12
"""Above the rows where nothing is named there."""
_BOLD = 1.07
"""How much wider bold text is."""
_STRETCH = 1.7
"""A rule further out than this many times the intervals' span is named at the edge, not drawn to scale."""


@dataclass(frozen=True, slots=True)
class Row:
    """One estimate; without an interval only the point is drawn, without a value only the label."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    shown: str = ""
    """Beside the interval, in figures."""
    kind: Kind = "other"
    claimed: tuple[float, float] | None = None
    """A band that somebody claims the value to lie in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line through all rows."""

    value: float
    label: str
    kind: Literal["zero", "floor", "chance"]


def intervals(
    rows: Sequence[Row],
    *,
    name: str,
    title: str,
    description: str,
    axis: str,
    rules: Sequence[Rule] = (),
    band: tuple[float, float] | None = None,
    origin: tuple[float, str] | None = None,
    width: int = 660,
    label_width: float = 215.0,
    digits: int | None = None,
    ticks: bool = True,
) -> Plot:
    """Draw estimates with their intervals.

    axis: what the values are. band: a range that counts as nothing (the smallest effect of interest).
    label_width: the widest that labels may be. origin: (value, name) of what the axis counts from; a second
    axis above shows the sums. ticks: False where every row has a scale of its own.
    """
    left = min(label_width, width_of([row.label for row in rows]) * _BOLD) + 14
    right = width_of([row.shown for row in rows]) * _BOLD + 8
    top = _HEAD if origin is not None or any(rule.label for rule in rules) else _BARE
    bottom = top + ROW * len(rows)
    height = bottom + _BOTTOM
    x = _scale(rows, rules, band, left, width - right)
    parts = [*_ground(x, band, top, bottom), *_axes(x, axis, origin, (top, bottom), digits, ticks)]
    parts += _rules(x, rules, top, bottom)
    for place, row in enumerate(rows):
        y = top + ROW * (place + 0.5)
        strong = "ink strong" if row.kind != "other" else "ink"
        parts.append(text(left - 12, y, shortened(row.label, label_width), anchor="end", class_=strong))
        if row.shown:
            parts.append(text(width, y, row.shown, anchor="end", class_=f"{strong} figures"))
        parts += _estimate(x, row, y)
    return Plot(name, title, description, "".join(parts), width, height)


def _scale(
    rows: Sequence[Row], rules: Sequence[Rule], band: tuple[float, float] | None, start: float, end: float
) -> Scale:
    own = [value for row in rows for value in (row.value, row.low, row.high, *(row.claimed or ()))]
    inner = [value for value in own if value is not None] + list(band or ())
    inner += [rule.value for rule in rules if rule.kind == "zero"]
    span = max(inner) - min(inner) if inner else 0.0
    if not span:
        return around([*inner, *(rule.value for rule in rules)], start, end)
    reach = (_STRETCH - 1) * span
    near = [r.value for r in rules if min(inner) - reach <= r.value <= max(inner) + reach]
    return around([*inner, *near], start, end, margin=0.04)


def _ground(x: Scale, band: tuple[float, float] | None, top: float, bottom: float) -> list[str]:
    if band is None:
        return []
    low, high = (x(min(max(value, x.low), x.high)) for value in band)
    return [element("rect", x=low, y=top, width=high - low, height=bottom - top, class_="sesoi")]


def _axes(
    x: Scale,
    name: str,
    origin: tuple[float, str] | None,
    span: tuple[float, float],
    digits: int | None,
    ticks: bool,
) -> list[str]:
    top, bottom = span
    decimals = x.digits() if digits is None else digits
    parts = [line(x.start, bottom, x.end, bottom, "axis")]
    for tick in x.ticks() if ticks else ():
        label = numbers.plain(tick, decimals) if origin is None else numbers.signed(tick, decimals)
        parts.append(line(x(tick), top, x(tick), bottom + 4, "grid"))
        parts.append(text(x(tick), bottom + 13, label, anchor="middle", class_="muted figures"))
    parts.append(text((x.start + x.end) / 2, bottom + 32, name, anchor="middle", class_="muted"))
    if origin is not None:
        zero, what = origin
        upper = Scale(x.low + zero, x.high + zero, x.start, x.end)
        parts.append(text(x.start - 24, top - 10, what, anchor="end", class_="muted"))
        for tick in upper.ticks():
            label = numbers.plain(tick, upper.digits())
            parts.append(text(upper(tick), top - 10, label, anchor="middle", class_="muted figures"))
    return parts


def _rules(x: Scale, rules: Sequence[Rule], top: float, bottom: float) -> list[str]:
    parts: list[str] = []
    taken: list[float] = []
    for rule in sorted(rules, key=lambda each: each.value):
        inside = x.holds(rule.value)
        place = x(rule.value) if inside else (x.start if rule.value < x.low else x.end)
        if inside:
            parts.append(line(place, top - 2, place, bottom, f"rule {rule.kind}"))
        if not rule.label:
            continue
        words = rule.label if inside else (f"◂ {rule.label}" if rule.value < x.low else f"{rule.label} ▸")
        half = len(words) * CHARACTER / 2
        centre = min(max(place, x.start + half), x.end - half)
        if taken and centre - half < taken[-1]:
            centre = taken[-1] + half + 6
        taken.append(centre + half)
        parts.append(text(centre, 10, words, anchor="middle", class_=f"label {rule.kind}"))
        if inside:
            parts.append(path([(centre, 17), (place, top - 22), (place, top - 2)], f"leader {rule.kind}"))
    return parts


def _estimate(x: Scale, row: Row, y: float) -> list[str]:
    parts = []
    colour = {"main": "s2", "other": "s0", "reference": "s1"}[row.kind]
    if row.claimed is not None:
        low, high = (x(min(max(value, x.low), x.high)) for value in row.claimed)
        parts.append(element("rect", x=low, y=y - 8, width=max(high - low, 2), height=16, class_="claimed"))
    if row.low is not None and row.high is not None:
        low, high = x(row.low), x(row.high)
        parts.append(line(low, y, high, y, f"{colour} stroke interval"))
        parts += [line(end, y - 3.5, end, y + 3.5, f"{colour} stroke interval") for end in (low, high)]
    if row.value is not None:
        if row.kind == "reference":
            size = 5.0
            diamond = [(0, -size), (size, 0), (0, size), (-size, 0)]
            points = [(x(row.value) + dx, y + dy) for dx, dy in diamond]
            parts.append(path(points, f"{colour} fill", closed=True))
        else:
            radius = 5 if row.kind == "main" else 4
            parts.append(element("circle", cx=x(row.value), cy=y, r=radius, class_=f"{colour} fill"))
    return parts
