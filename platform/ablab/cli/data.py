"""``ablab data``: check a folder of recordings, simulate one, make one from own recordings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ablab.cli.narration import narrated
from ablab.cli.options import FiniteRange, json_option, print_json
from ablab.errors import DataError

if TYPE_CHECKING:
    from ablab.data.check import FolderReport

_FOLDER = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Check, simulate and split recordings."""


@data.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Read every file in DIR, look for faults and for leakage; exit code 2 where there is any.

    Files that have not changed since the last time are not read again.

    \b
    Examples:
      ablab data check data/split_data
      ablab data check data/split_data --json
    """
    from ablab.data.check import check_folder
    from ablab.data.stimuli import leak_problem
    from ablab.paths import Paths

    with narrated():
        report = check_folder(folder, cache=Paths.from_environment().cache)
    if as_json:
        print_json(_plain(report))
    else:
        _print(report)
    if report.problems:
        raise DataError(report.problems)
    if report.leaks:
        raise DataError([leak_problem(folder, leak) for leak in report.leaks])


@data.command()
@click.argument("out", type=_FOLDER)
@click.option("--subjects", type=click.IntRange(1), default=8, show_default=True, help="Simulated listeners.")
@click.option(
    "--minutes",
    type=FiniteRange(0, min_open=True),
    default=8.0,
    show_default=True,
    help="Minutes per listener, all splits together.",
)
@click.option("--chans", type=click.IntRange(1), default=64, show_default=True, help="EEG channels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the corpus.")
def simulate(out: Path, subjects: int, minutes: float, chans: int, seed: int) -> None:
    """Write simulated listeners into OUT, which must not exist, in the split layout.

    \b
    Example:
      ablab data simulate data/simulated --subjects 4 --minutes 6
    """
    from ablab.data import simulate as simulator
    from ablab.spec.experiment import Simulated

    simulator.write(out, Simulated(n_subjects=subjects, minutes=minutes, n_chans=chans, seed=seed))
    click.echo(f"{out}: {subjects} simulated listeners, {minutes:g} min each, {chans} channels")


@data.command()
@click.argument("raw", type=_FOLDER)
@click.argument("out", type=_FOLDER)
@click.option(
    "--pattern",
    default="{subject}_{recording}",
    show_default=True,
    help="How file names (without ending) read; may hold {stimulus} too.",
)
@click.option("--table", type=_FOLDER, metavar="FILE", help="CSV: file,subject,recording[,stimulus].")
@click.option(
    "--by",
    type=click.Choice(["time", "stimulus"]),
    default="time",
    show_default=True,
    help="Cut each recording 80/10/10 in time, or give whole stimuli to a split.",
)
@click.option(
    "--sfreq",
    type=FiniteRange(0, min_open=True),
    default=64.0,
    show_default=True,
    help="Samples per second of the recordings; resampled to 64 where it differs.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the stimuli.")
@click.option("--allow-leakage", is_flag=True, help="Write even if training data stands in val or test.")
@click.option("--force", is_flag=True, help="Replace a split folder that is there.")
@json_option
def split(
    raw: Path,
    out: Path,
    pattern: str,
    table: Path | None,
    by: str,
    sfreq: float,
    seed: int,
    allow_leakage: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make the split folder OUT from own recordings in RAW.

    Each recording is one .npz with the arrays eeg (n_times, n_chans) and envelope (n_times,), or two files
    <stem>_eeg.npy and <stem>_envelope.npy. Everything is z-scored with what will be trained on, written as
    float32, checked, and only then moved to OUT.

    \b
    Examples:
      ablab data split recordings data/split_data
      ablab data split recordings data/by_story --table recordings.csv --by stimulus --sfreq 128
    """
    from ablab.data.raw import by_pattern, by_table
    from ablab.data.split import split_recordings

    recordings = by_pattern(raw, pattern) if table is None else by_table(raw, table)
    with narrated():
        report = split_recordings(
            recordings, out, by=by, sfreq=sfreq, seed=seed, force=force, allow_leakage=allow_leakage
        )
    if as_json:
        print_json({**_plain(report), "folder": str(out)})
    else:
        _print(report, out)


def _print(report: FolderReport, folder: Path | None = None) -> None:
    from ablab.data.stimuli import counted, shared_notice

    minutes = ", ".join(f"{split} {value:.1f}" for split, value in report.minutes.items())
    n_leaked = None if report.leaks is None else sum(leak.n_segments for leak in report.leaks)
    leakage = "not looked for before the problems are solved"
    if n_leaked is not None:
        leakage = counted(n_leaked, "segment") if n_leaked else "none"
    lines = {
        "folder": str(folder or report.folder),
        "subjects": f"{len(report.subjects)}   {_few(report.subjects)}",
        "recordings": str(report.n_recordings),
        "minutes": f"{sum(report.minutes.values()):.1f}   ({minutes})",
        "channels": str(report.n_chans),
        "problems": str(len(report.problems)) if report.problems else "none",
        "leakage": leakage,
        "stimuli": shared_notice(report.shared_stimuli) or "no envelope stands in two recordings",
    }
    for name, text in lines.items():
        click.echo(f"{name:<11}{text}")
    for notice in report.notices:
        click.echo(f"{'note':<11}{notice}")


def _plain(report: FolderReport) -> dict[str, object]:
    plain = asdict(report)
    plain["problems"] = [{"source": p.source, "reason": p.reason} for p in report.problems]
    plain["leakage"] = plain.pop("leaks")
    return plain


def _few(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
