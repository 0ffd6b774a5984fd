"""The command ``ablab``: finds the command that was asked for, and turns errors into text and exit codes.

Commands are imported when they are used: ``ablab --help`` costs no more than click.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from ablab.errors import AblabError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is not imported yet."""

    target: str
    """``module:attribute``."""
    summary: str
    """The line that ``ablab --help`` shows."""


SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Everyday": {
        "grid": Entry("ablab.cli.grid:grid", "Plan, pilot, run and watch an ablation grid."),
        "compare": Entry("ablab.cli.compare:compare", "Compare the cells of a study."),
        "report": Entry("ablab.cli.report:report", "Write a study's report: HTML, Markdown, LaTeX, CSV."),
        "ui": Entry("ablab.cli.ui:ui", "Open the MLflow pages of all studies."),
        "tensorboard": Entry("ablab.cli.ui:tensorboard", "Open the training curves and histograms."),
        "logs": Entry("ablab.cli.logs:logs", "Print the log of one run."),
    },
    "Study": {
        "experiment": Entry("ablab.cli.experiment:experiment", "Write, list, show and run experiments."),
        "train": Entry("ablab.cli.train:train", "Train once with the flags of the guide's scripts."),
        "search": Entry("ablab.cli.search:search", "Search a space of values and confirm the winner."),
        "diagnose": Entry("ablab.cli.diagnose:diagnose", "Look inside a run, or judge a mechanism."),
        "claims": Entry("ablab.cli.claims:claims", "Check what a paper or guide claims."),
        "data": Entry("ablab.cli.data:data", "Check, simulate and split recordings."),
        "baseline": Entry("ablab.cli.baseline:baseline", "Fit the linear model that a network has to beat."),
        "predict": Entry("ablab.cli.predict:predict", "Write the predictions of a finished run to files."),
        "schema": Entry("ablab.cli.schema:schema", "Print the JSON schema of a spec file, for editors."),
    },
    "Operate": {
        "regression": Entry(
            "ablab.cli.regression:regression", "Guard a promoted result, also on a schedule."
        ),
        "store": Entry("ablab.cli.store:store", "Deliver what waits, move studies, upgrade databases."),
        "doctor": Entry("ablab.cli.doctor:doctor", "Look for what is wrong with the set-up, and mend it."),
    },
}
"""Heading of ``ablab --help`` -> command -> where it is, in display order."""


class Root(click.Group):
    """A group that imports a command when it is used, and prints AblabError as text."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in display order."""
        return [name for entries in SECTIONS.values() for name in entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and hand the command out."""
        for entries in SECTIONS.values():
            if cmd_name in entries:
                module, _, attribute = entries[cmd_name].target.partition(":")
                command = getattr(import_module(module), attribute)
                assert isinstance(command, click.Command)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of the name given."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see: ablab --help"
            raise click.UsageError(f"no such command '{name}' ({hint})", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under their headings, importing none of them."""
        for heading, entries in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, entry.summary) for name, entry in entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors on purpose become text on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except AblabError as error:
            for line in str(error).splitlines() or [type(error).__name__]:
                click.echo(f"error: {line}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            from ablab.tracking.full_disk import is_full_disk

            if not is_full_disk(error):
                raise
            where = f"cannot write {error.filename}" if error.filename else "nothing can be written"
            click.echo(f"error: disk full: {where}; make room, then run the same command again", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib import metadata

        click.echo(f"ablab {metadata.version('ablab')}")
        ctx.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """Ablation laboratory: which improvements of an EEG speech decoder are real, and how large.

    Start with:  ablab grid run ablations/quickstart.yaml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script. An error that nobody foresaw shows its traceback."""
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="ablab")
    except Exception:
        traceback.print_exc()
        click.echo(
            "This is a fault of ablab, not of your input. Please report it with the text above.", err=True
        )
        sys.exit(1)
