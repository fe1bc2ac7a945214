"""The command group, and how exceptions become a one-line message and an exit code."""

from __future__ import annotations

import os
import sys
from concurrent.futures import BrokenExecutor
from typing import NoReturn

import click

from cli.shared.build_facts import show_version
from cli.shared.lazy_group import LazyGroup
from spikebench.errors import NEEDS_TORCH, SpikebenchError
from spikebench.records.text import os_error_text

_MOST_DETAILS = 50

# name -> (module:attribute, one-line help). The help is stored here so that `spikebench --help`
# imports no command, and therefore neither torch nor numba.
COMMANDS = {
    "convert": ("cli.convert:convert", "Convert audio to spikes."),
    "encoders": ("cli.encoders:encoders", "Compare encoders on the same recordings."),
    "info": ("cli.info:info", "Show the contents of a spike file."),
    "plot": ("cli.plot:plot", "Draw a sample, classes, a result, or a trained model."),
    "view": ("cli.view:view", "Look at a spike file and listen to it, in a browser."),
    "listen": ("cli.listen:listen", "Make a sound of the spikes of one sample."),
    "validate": ("cli.validate:validate", "Check a spike file against the published layout."),
    "models": (
        "cli.models:models",
        "List the models: parameters, presets, learning rules, formats of export.",
    ),
    "train": ("cli.train:train", "Train a model without opening the test split."),
    "evaluate": ("cli.evaluate:evaluate", "Train (or load) a model, test once, write a result."),
    "sweep": (
        "cli.sweep:sweep",
        "Train many seeds and configurations without opening the test split.",
    ),
    "compare": (
        "cli.compare:compare",
        "Compare results on the same test samples: table, paired tests, plot.",
    ),
    "timing": (
        "cli.timing:timing",
        "Measure what a model uses: accuracy with changed times, counts and units.",
    ),
    "noise": (
        "cli.noise:noise",
        "Degrade recordings before they are converted, and measure what models make of them.",
    ),
    "patterns": (
        "cli.patterns:patterns",
        "Learn precise spike trains by SuperSpike, with several kinds of feedback.",
    ),
    "substrate": (
        "cli.substrate:substrate",
        "Train with an emulated chip in the loop, and compare with training in software.",
    ),
    "continual": (
        "cli.continual:continual",
        "Continual learning: train on one task after another, and measure forgetting.",
    ),
    "fewshot": (
        "cli.fewshot:fewshot",
        "Meta-learning: how networks learn new speakers and words from few shots.",
    ),
    "prune": (
        "cli.prune:prune",
        "Prune networks before training, by five methods, and train the remaining weights.",
    ),
    "predict": ("cli.predict:predict", "Apply a trained model to spike files and recordings."),
    "quantise": ("cli.quantise:quantise", "Round the weights of trained models to few bits."),
    "export": ("cli.export:export", "Write a trained model as NIR or ONNX."),
    "import": ("cli.import_nir:import_nir", "Test a network from a NIR file of another program."),
    "submit": ("cli.submit:submit", "Check a result and write a leaderboard entry."),
    "verify": ("cli.verify:verify", "Repeat the inference or the training of a leaderboard entry."),
    "doctor": (
        "cli.doctor:doctor",
        "Check the installation: versions, folders, GPU, a short self-test.",
    ),
    "data": (
        "cli.data:data",
        "Get, check and describe data sets; regenerate SHD and SSC; compare.",
    ),
    "leaderboard": ("cli.leaderboard:leaderboard", "Build, show or serve the leaderboard."),
}


_COMPLETION = (
    'Completion of commands and options: add eval "$(_SPIKEBENCH_COMPLETE=bash_source spikebench)" to ~/.bashrc; for '
    "zsh zsh_source and ~/.zshrc; for fish _SPIKEBENCH_COMPLETE=fish_source spikebench | source in config.fish."
)


@click.group(
    cls=LazyGroup,
    registry=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_COMPLETION,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version, the commit and the libraries, and exit.",
)
def group() -> None:
    """Convert audio to spikes, train and test models under one protocol, publish results that can be recomputed."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        Arguments after the name of the program; by default those of the process.
    """
    _open_streams()
    try:
        code = group.main(args=arguments, prog_name="spikebench", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except SpikebenchError as error:
        from spikebench.records.text import printable

        # Names of files may contain line breaks; the message is one line.
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
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        click.echo(f"spikebench: {NEEDS_TORCH}", err=True)
        sys.exit(1)
    except BrokenExecutor:
        click.echo(
            "spikebench: a worker process was terminated, perhaps for lack of memory; "
            "run the command again",
            err=True,
        )
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _leave_quietly()
        # Disk full, folder removed, no permission: the message of the operating system, with the file.
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"spikebench: {place}{os_error_text(error)}", err=True)
        sys.exit(1)


def _open_streams() -> None:
    """Open standard streams that the caller closed on the null device, so that no other file gets their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", closefd=False, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)


def _leave_quietly() -> NoReturn:
    """Exit without a message: the reader of the output (head, less) has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


if __name__ == "__main__":
    main()
