"""A search -> PNG files: its history, what mattered, and the objective along every key.

Draws with matplotlib's figures alone: no window system, no state shared with anybody's notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablab.comparison.searched import Point, SearchReport
from ablab.designs.labels import short_names
from ablab.spec.writing import yaml_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (8.0, 4.5)
_PANEL = 3.2
"""Width of one key's panel, inches."""
_DPI = 120


def draw_search(report: SearchReport, folder: Path) -> tuple[Path, ...]:
    """Write ``history.png``, ``slice.png`` and, where importances are known, ``importance.png``."""
    if not report.ranked:
        return ()
    plots = {"history": _history(report), "slice": _slice(report)}
    if report.importance:
        plots["importance"] = _importance(report.importance)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in plots.items():
        file = folder / f"{name}.png"
        figure.savefig(file, dpi=_DPI)
        files.append(file)
    return tuple(files)


def _history(report: SearchReport) -> Figure:
    figure = _figure(_SIZE)
    axes = figure.subplots()
    complete, pruned = _of(report, "complete"), _of(report, "pruned")
    axes.plot(*_places(complete), "o", color="C0", label="complete")
    if pruned:
        axes.plot(*_places(pruned), "x", color="C7", label="pruned, where it stood")
    numbers, values = _places(complete)
    best = max if report.direction == "maximize" else min
    axes.step(numbers, list(accumulate(values, best)), where="post", color="C1", label="best so far")
    for point in complete:
        if point.is_base and point.value is not None:
            axes.axhline(point.value, color="C2", linestyle=":", label="the base")
    axes.set_xlabel("point")
    axes.set_ylabel(f"{report.objective}, mean of {report.n_seeds} seeds")
    axes.set_title(f"{report.study}: history")
    axes.legend()
    return figure


def _importance(importance: Any) -> Figure:
    figure = _figure((_SIZE[0], 1.2 + 0.45 * len(importance)))
    axes = figure.subplots()
    names = short_names(importance)
    keys = list(importance)[::-1]
    axes.barh([names[key] for key in keys], [importance[key] for key in keys])
    axes.set_xlim(0, 1)
    axes.set_xlabel("importance (PED-ANOVA, shares of 1)")
    axes.set_title("What sets the best points apart")
    return figure


def _slice(report: SearchReport) -> Figure:
    complete = _of(report, "complete")
    keys = list(complete[0].levels)
    figure = _figure((max(_SIZE[0], _PANEL * len(keys)), _SIZE[1]))
    names = short_names(keys)
    panels: Sequence[Axes] = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    dots = None
    for key, axes in zip(keys, panels, strict=True):
        levels = [point.levels[key] for point in complete]
        if all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
            places: Sequence[Any] = levels
            if key in report.log_scaled:
                axes.set_xscale("log")
                axes.tick_params(axis="x", which="both", labelrotation=45)
        else:
            known = list(dict.fromkeys(yaml_value(level) for level in levels))
            places = [known.index(yaml_value(level)) for level in levels]
            axes.set_xticks(range(len(known)), known)
        numbers = [point.number for point in complete]
        dots = axes.scatter(places, [point.value or 0.0 for point in complete], c=numbers, cmap="viridis")
        for point, place in zip(complete, places, strict=True):
            if point == report.winner:
                axes.plot([place], [point.value or 0.0], "o", ms=12, mfc="none", mec="C3", label="winner")
        axes.set_xlabel(names[key])
    panels[0].set_ylabel(report.objective)
    panels[0].legend()
    if dots is not None:
        figure.colorbar(dots, ax=list(panels), label="point")
    figure.suptitle(f"{report.study}: the objective along every key")
    return figure


def _of(report: SearchReport, state: str) -> list[Point]:
    return [point for point in report.points if point.state == state and point.value is not None]


def _places(points: Sequence[Point]) -> tuple[list[int], list[float]]:
    return [point.number for point in points], [point.value or 0.0 for point in points]


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")
