"""The nights as a picture: the difference with its interval against the margin, and the scores themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablab.regression.history import Night

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"PASS": "#1b7837", "FAIL": "#b2182b", "INCONCLUSIVE": "#e08214"}
MARKERS = {"PASS": "o", "FAIL": "X", "INCONCLUSIVE": "s"}
"""Shapes as well as colours, for those who cannot tell the colours apart."""
_DPI = 150
_MOST_LABELS = 14


def draw(name: str, nights: Sequence[Night], file: Path) -> Path:
    """Write the picture (PNG); nights that did not end are marked on the axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7.0, min(16.0, 2.5 + 0.35 * len(nights))), 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _differences(upper, nights)
    _scores(lower, nights)
    for axes in (upper, lower):
        _versions(axes, nights)
        axes.grid(alpha=0.3)
    upper.set_title(f"{name}: {len(nights)} gates", fontsize="medium")
    upper.legend(fontsize="small", ncols=4, loc="upper left", bbox_to_anchor=(0, -0.02), frameon=False)
    lower.legend(fontsize="small", loc="lower left", ncols=2)
    every = max(1, -(-len(nights) // _MOST_LABELS))
    places = range(0, len(nights), every)
    lower.set_xticks(list(places), [nights[place].began[:16].replace("T", "\n") for place in places])
    lower.tick_params(axis="x", labelsize="x-small")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI)
    return file


def _differences(axes: Axes, nights: Sequence[Night]) -> None:
    for verdict, colour in COLOURS.items():
        own = [(place, night) for place, night in enumerate(nights) if night.verdict == verdict]
        known = [(place, night) for place, night in own if night.delta is not None]
        if known:
            deltas = [night.delta or 0.0 for _, night in known]
            below = [
                d - (n.ci_low if n.ci_low is not None else d) for d, (_, n) in zip(deltas, known, strict=True)
            ]
            above = [
                (n.ci_high if n.ci_high is not None else d) - d
                for d, (_, n) in zip(deltas, known, strict=True)
            ]
            axes.errorbar(
                [place for place, _ in known],
                deltas,
                yerr=[below, above],
                fmt=MARKERS[verdict],
                color=colour,
                capsize=3,
                label=verdict,
            )
    margins = [(place, -night.margin) for place, night in enumerate(nights) if night.margin is not None]
    if margins:
        axes.step(*zip(*margins, strict=True), where="mid", color="black", linestyle="--", label="-margin")
    axes.axhline(0, color="black", linewidth=0.8)
    unended = [place for place, night in enumerate(nights) if night.verdict is None]
    if unended:
        axes.plot(unended, [0.0] * len(unended), "k|", markersize=14, label="did not end")
    axes.set_ylabel("candidate - baseline")


def _scores(axes: Axes, nights: Sequence[Night]) -> None:
    for label, attribute, style in (
        ("baseline", "baseline_mean", "k--"),
        ("candidate", "candidate_mean", "o-"),
    ):
        known = [
            (place, value)
            for place, night in enumerate(nights)
            if (value := getattr(night, attribute)) is not None
        ]
        if known:
            axes.plot(*zip(*known, strict=True), style, markersize=4, label=label)
    axes.set_ylabel("score")
    axes.set_xlabel("gate began (UTC)")


def _versions(axes: Axes, nights: Sequence[Night]) -> None:
    """A line where the baseline is another than the night before."""
    for place in range(1, len(nights)):
        before, now = nights[place - 1], nights[place]
        if (before.baseline, before.version) != (now.baseline, now.version):
            axes.axvline(place - 0.5, color="grey", linestyle=":")
