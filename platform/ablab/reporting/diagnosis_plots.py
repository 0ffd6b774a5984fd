"""A diagnosis -> PNG files: gradient flow, drift, gate and bypass drops; verdicts' evidence side by side.

Draws with matplotlib's figures alone: no window system, no state shared with anybody's notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablab.comparison.mechanism_values import STACK, MechanismReport
from ablab.comparison.run_diagnosis import RunDiagnosis, groups_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (8.0, 4.5)
_DPI = 120
_COURSES = 5
"""Observed steps that the gradient flow shows, from the first to the last."""


def draw_run(diagnosis: RunDiagnosis, folder: Path) -> tuple[Path, ...]:
    """Write what there is to draw of a run; a plot without data is not written."""
    plots = {
        "gradient_flow": _gradient_flow(diagnosis),
        "drift": _drift(diagnosis),
        "gate": _gate(diagnosis),
        "bypass_drop": _bypass(diagnosis),
    }
    return _written({name: figure for name, figure in plots.items() if figure is not None}, folder)


def draw_study(report: MechanismReport, folder: Path) -> tuple[Path, ...]:
    """Write the evidence of both cells per layer group; nothing where there is none."""
    quantities = ("ratio", "update", "drift")
    titles = ("gradient ratio to the head", "update ratio", "drift")
    known = [
        (
            title,
            [
                (each.evidence.group, change)
                for each in report.verdicts
                if (change := getattr(each.evidence, name))
            ],
        )
        for name, title in zip(quantities, titles, strict=True)
    ]
    known = [(title, changes) for title, changes in known if changes]
    if not known:
        return ()
    figure = _figure((_SIZE[0], 3.2 * len(known)))
    for axes, (title, changes) in zip(_rows(figure, len(known)), known, strict=True):
        places = range(len(changes))
        axes.bar([place - 0.2 for place in places], [c.reference for _, c in changes], 0.4, label="reference")
        axes.bar([place + 0.2 for place in places], [c.treatment for _, c in changes], 0.4, label="treatment")
        axes.set_xticks(list(places), [group for group, _ in changes], rotation=30, ha="right")
        axes.set_title(title)
    figure.axes[0].legend()
    return _written({"mechanism": figure}, folder)


def _gradient_flow(diagnosis: RunDiagnosis) -> Figure | None:
    groups = groups_in(name for name in diagnosis.curves if name.startswith("gradient/rms/"))
    if not groups:
        return None
    curves = {group: dict(diagnosis.curves[f"gradient/rms/{group}"]) for group in groups}
    steps = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    figure = _figure()
    (axes,) = _rows(figure, 1)
    for step in _spread(steps, _COURSES):
        axes.plot(groups, [curves[group][step] for group in groups], marker="o", label=f"step {step}")
    axes.set_yscale("log")
    axes.set_ylabel("RMS gradient")
    axes.tick_params(axis="x", rotation=30)
    _finish(axes, f"gradient flow: {diagnosis.name}")
    return figure


def _drift(diagnosis: RunDiagnosis) -> Figure | None:
    groups = groups_in(name for name in diagnosis.curves if name.startswith("weights/drift/"))
    if not groups:
        return None
    figure = _figure()
    (axes,) = _rows(figure, 1)
    for group in groups:
        steps, values = zip(*diagnosis.curves[f"weights/drift/{group}"], strict=True)
        axes.plot(steps, values, marker=".", label=group)
    axes.set_xlabel("step")
    axes.set_ylabel("norm(w - w0) / norm(w0)")
    _finish(axes, f"drift: {diagnosis.name}")
    return figure


def _gate(diagnosis: RunDiagnosis) -> Figure | None:
    means, sds = (dict(diagnosis.curves.get(name, ())) for name in ("gate/mean", "gate/sd"))
    steps = sorted(means.keys() & sds.keys())
    if not steps:
        return None
    figure = _figure()
    (axes,) = _rows(figure, 1)
    axes.plot(steps, [means[step] for step in steps], marker=".", label="mean")
    low, high = ([means[step] + sign * sds[step] for step in steps] for sign in (-1, 1))
    axes.fill_between(steps, low, high, alpha=0.25, label="±SD over windows and channels")
    axes.set_ylim(0, 1)
    axes.set_xlabel("step")
    axes.set_ylabel("gate (1: the stack alone)")
    _finish(axes, f"gate: {diagnosis.name}")
    return figure


def _bypass(diagnosis: RunDiagnosis) -> Figure | None:
    drops = {row.group: row.bypass for row in diagnosis.rows if row.bypass is not None}
    whole = diagnosis.details.get(f"bypass/{STACK}")
    if whole is not None:
        drops = {"whole stack": whole, **drops}
    if not drops:
        return None
    figure = _figure()
    (axes,) = _rows(figure, 1)
    axes.bar(list(drops), list(drops.values()))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("validation r lost")
    axes.tick_params(axis="x", rotation=30)
    axes.set_title(f"bypass drop: {diagnosis.name}", fontsize="medium")
    return figure


def _figure(size: tuple[float, float] = _SIZE) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _rows(figure: Figure, n_rows: int) -> list[Axes]:
    return [figure.add_subplot(n_rows, 1, row + 1) for row in range(n_rows)]


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize="medium")
    axes.legend(fontsize="small", ncols=2)
    axes.grid(alpha=0.3)


def _spread(steps: Sequence[int], n: int) -> list[int]:
    """At most ``n`` of the steps, the first and the last among them, at even distances.

    >>> _spread([1, 2, 3, 4, 5, 6, 7], 3)
    [1, 4, 7]
    """
    if len(steps) <= n:
        return list(steps)
    return [steps[round(index * (len(steps) - 1) / (n - 1))] for index in range(n)]


def _written(figures: dict[str, Figure], folder: Path) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in figures.items():
        file = folder / f"{name}.png"
        figure.savefig(file, dpi=_DPI)
        files.append(file)
    return tuple(files)
