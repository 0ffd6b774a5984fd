"""Two scores per subject, joined: who gained, who lost, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablab.reporting import numbers
from ablab.reporting.plots.scale import around
from ablab.reporting.plots.svg import Plot, element, line, shortened, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 16, 30
_NAMED = 24
"""So many subjects are named beneath; more would overlap."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One subject: the mean over seeds of either arm."""

    subject: str
    before: float
    after: float


def paired(
    pairs: Sequence[Pair], *, arms: tuple[str, str], metric: str, name: str, title: str, width: int = 760
) -> Plot:
    """One column per subject, sorted by the difference; an open ring before, a filled dot after."""
    ordered = sorted(pairs, key=lambda pair: pair.after - pair.before)
    height = 310
    plot_bottom = height - (_BOTTOM + 44 if len(ordered) <= _NAMED else _BOTTOM)
    y = around((v for pair in ordered for v in (pair.before, pair.after)), plot_bottom, _TOP + 18)
    step = (width - _LEFT - _RIGHT) / max(len(ordered), 1)
    parts = []
    for tick in y.ticks(5):
        parts.append(line(_LEFT, y(tick), width - _RIGHT, y(tick), "grid"))
        label = numbers.plain(tick, max(y.digits(5), 2))
        parts.append(text(_LEFT - 8, y(tick), label, anchor="end", class_="muted figures"))
    for place, pair in enumerate(ordered):
        x = _LEFT + step * (place + 0.5)
        colour = "s1" if pair.after >= pair.before else "s2"
        parts.append(line(x, y(pair.before), x, y(pair.after), f"{colour} stroke bar"))
        parts.append(element("circle", cx=x, cy=y(pair.before), r=4, class_=f"{colour} ring"))
        parts.append(element("circle", cx=x, cy=y(pair.after), r=4.5, class_=f"{colour} fill"))
        if len(ordered) <= _NAMED:
            turn = f"rotate(-35 {x:.1f} {plot_bottom + 16:.1f})"
            words = text(x, plot_bottom + 16, shortened(pair.subject, 80), anchor="end", class_="muted")
            parts.append(element("g", words, transform=turn))
    rising = sum(pair.after > pair.before for pair in ordered)
    parts.append(text(_LEFT, 8, f"○ {arms[0]}   ● {arms[1]}", class_="ink"))
    parts.append(text(width - _RIGHT, 8, f"{rising} of {len(ordered)} higher", anchor="end", class_="ink"))
    parts.append(
        text(
            width / 2,
            height - 8,
            f"subjects, by their difference in {metric}",
            anchor="middle",
            class_="muted",
        )
    )
    description = (
        f"{metric} of every subject, mean over seeds, in {arms[0]} and {arms[1]}, by rising difference."
        f" {rising} of {len(ordered)} subjects are higher in {arms[1]}."
    )
    return Plot(name, title, description, "".join(parts), width, height)
