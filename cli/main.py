"""The command group, and how a failure becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from concurrent.futures import BrokenExecutor
from typing import NoReturn

import click

from cli.shared.lazy_group import LazyGroup
from spikebench import __version__
from spikebench.errors import SpikebenchError

_MOST_DETAILS = 50

# name -> (module:attribute, one-line help). The help stands here so that `spikebench --help`
# imports no command, hence neither torch nor numba.
COMMANDS = {
    "convert": ("cli.convert:convert", "Turn audio into spikes."),
    "info": ("cli.info:info", "Show what a spike file holds."),
    "plot": ("cli.plot:plot", "Draw one sample of a spike file."),
    "validate": ("cli.validate:validate", "Check a spike file against the published layout."),
    "train": ("cli.train:train", "Train a model; the test split stays closed."),
    "evaluate": ("cli.evaluate:evaluate", "Train (or load) a model, test once, write a result."),
    "sweep": (
        "cli.sweep:sweep",
        "Train many seeds and configurations; the test split stays closed.",
    ),
    "compare": (
        "cli.compare:compare",
        "Compare results on the same test samples: table, paired tests, plot.",
    ),
    "predict": ("cli.predict:predict", "Ask a trained model about spikes and recordings."),
    "export": ("cli.export:export", "Write a trained model as NIR or ONNX."),
    "submit": ("cli.submit:submit", "Check a result and write a leaderboard entry."),
    "verify": ("cli.verify:verify", "Run an entry's weights or its training again."),
    "data": (
        "cli.data:data",
        "Get, check and describe data sets; make SHD and SSC again; compare.",
    ),
    "leaderboard": ("cli.leaderboard:leaderboard", "Build, show or serve the leaderboard."),
}


@click.group(
    cls=LazyGroup, registry=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="spikebench")
def group() -> None:
    """Audio into spikes, models under one honest protocol, results that anyone can check."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        Words after the program's name; by default those of the process.
    """
    try:
        code = group.main(args=arguments, prog_name="spikebench", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except SpikebenchError as error:
        from spikebench.records.text import printable

        # One line, whatever is in the names of files.
        click.echo(f"spikebench: {printable(str(error))}", err=True)
        for detail in error.details[:_MOST_DETAILS]:
            click.echo(f"  {printable(detail)}", err=True)
        if len(error.details) > _MOST_DETAILS:
            click.echo(f"  … and {len(error.details) - _MOST_DETAILS} more", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("spikebench: interrupted", err=True)
        sys.exit(130)
    except BrokenExecutor:
        click.echo(
            "spikebench: a process that shared the work was ended from outside, perhaps for lack of memory; "
            "run the command again",
            err=True,
        )
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _leave_quietly()
        # Disk full, folder gone, no permission: the system's own words, with the file.
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"spikebench: {place}{error.strerror or error}", err=True)
        sys.exit(1)


def _leave_quietly() -> NoReturn:
    """End without a word: the reader of our output (head, less) went away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


if __name__ == "__main__":
    main()
