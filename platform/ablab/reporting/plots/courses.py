"""Curves over training steps, two of them prominent with bands, the others in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablab.reporting import numbers
from ablab.reporting.plots.scale import Scale, around
from ablab.reporting.plots.svg import CHARACTER, Plot, element, line, path, text

Kind = Literal["main", "reference", "other"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 30, 44
_MARKED = 40
"""Points of a curve beyond which dots would run into one another."""


@dataclass(frozen=True, slots=True)
class Course:
    """One curve; its band is the mean plus and minus ``spread``."""

    label: str
    steps: Sequence[float]
    mean: Sequence[float]
    spread: Sequence[float] = ()
    kind: Kind = "other"


def courses(
    curves: Sequence[Course],
    *,
    name: str,
    title: str,
    description: str,
    x_axis: str,
    y_axis: str,
    width: int = 760,
    height: int = 340,
    markers: bool = True,
) -> Plot:
    """Draw the curves; the prominent ones are told apart by colour and dash. markers: dots at the points."""
    ordered = sorted(curves, key=lambda curve: ("other", "main", "reference").index(curve.kind))
    x = around((step for curve in curves for step in curve.steps), _LEFT, width - _RIGHT, margin=0.02)
    y = around(_heights(curves), height - _BOTTOM, _TOP)
    parts = _axes(x, y, width, height, x_axis)
    for curve in ordered:
        parts += _curve(curve, x, y, markers)
    place = float(_LEFT)
    for curve in curves:
        if curve.kind != "other":
            colour = "s2" if curve.kind == "main" else "s1 dashed"
            parts.append(line(place, 10, place + 24, 10, f"{colour} stroke curve"))
            parts.append(text(place + 30, 10, curve.label))
            place += 50 + CHARACTER * len(curve.label)
    others = sum(curve.kind == "other" for curve in curves)
    if others:
        parts.append(line(place, 10, place + 24, 10, "s0 stroke thin"))
        parts.append(text(place + 30, 10, f"{others} other cell{'s' if others > 1 else ''}", class_="muted"))
    parts.append(text(width - _RIGHT, 10, y_axis, anchor="end", class_="muted"))
    return Plot(name, title, description, "".join(parts), width, height)


def _heights(curves: Sequence[Course]) -> list[float]:
    found = [value for curve in curves for value in curve.mean]
    for curve in curves:
        if curve.kind != "other" and curve.spread:
            bands = zip(curve.mean, curve.spread, strict=True)
            found += [edge for mean, spread in bands for edge in (mean - spread, mean + spread)]
    return found


def _axes(x: Scale, y: Scale, width: int, height: int, x_axis: str) -> list[str]:
    parts = []
    for tick in y.ticks(5):
        parts.append(line(_LEFT, y(tick), width - _RIGHT, y(tick), "grid"))
        label = numbers.plain(tick, max(y.digits(5), 2))
        parts.append(text(_LEFT - 8, y(tick), label, anchor="end", class_="muted figures"))
    for tick in x.ticks(7):
        label = numbers.plain(tick, x.digits(7))
        parts.append(text(x(tick), height - _BOTTOM + 14, label, anchor="middle", class_="muted figures"))
    parts.append(line(_LEFT, height - _BOTTOM, width - _RIGHT, height - _BOTTOM, "axis"))
    parts.append(text((_LEFT + width) / 2, height - 10, x_axis, anchor="middle", class_="muted"))
    return parts


def _curve(curve: Course, x: Scale, y: Scale, markers: bool) -> list[str]:
    points = [(x(step), y(value)) for step, value in zip(curve.steps, curve.mean, strict=True)]
    if curve.kind == "other":
        return [path(points, "s0 stroke thin")]
    colour = "s2" if curve.kind == "main" else "s1"
    parts = []
    if curve.spread:
        rows = list(zip(curve.steps, curve.mean, curve.spread, strict=True))
        upper = [(x(step), y(mean + spread)) for step, mean, spread in rows]
        lower = [(x(step), y(mean - spread)) for step, mean, spread in reversed(rows)]
        parts.append(path([*upper, *lower], f"{colour} band", closed=True))
    dashed = "" if curve.kind == "main" else " dashed"
    parts.append(path(points, f"{colour} stroke curve{dashed}"))
    if markers and len(points) <= _MARKED:
        parts += [element("circle", cx=px, cy=py, r=3, class_=f"{colour} fill") for px, py in points]
    return parts
