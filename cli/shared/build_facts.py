"""The option ``--version``: version, commit, Python, and the libraries that determine results."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import click

from spikebench import __version__

_LIBRARIES = ("numpy", "scipy", "numba", "torch", "soxr", "soundfile", "h5py")


def version_lines() -> list[str]:
    """Describe this program: version first, then what it was built from and runs with.

    Returns
    -------
    list of str
        Without imports of the libraries, whose versions are read from their metadata.
    """
    versions = []
    for name in _LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} missing")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}"
    return [
        f"spikebench, version {__version__}",
        f"built from: {_origin()}",
        f"runs with:  {python}, {system}",
        f"libraries:  {', '.join(versions)}",
    ]


def show_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the lines and exit; the callback of the option."""
    if not wanted or context.resilient_parsing:
        return
    click.echo("\n".join(version_lines()))
    context.exit()


def _origin() -> str:
    """Return the commit of a checkout, with a mark if files were changed; else that it is an installed package."""
    root, git = Path(__file__).parents[2], shutil.which("git")
    if not (root / ".git").exists():
        return "an installed package"
    if git is None:
        return "a checkout, commit unknown: git is not installed"
    command = [
        git,
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "a checkout, commit unknown"
    commit, _, dirty = done.stdout.strip().partition("-")
    return f"a checkout, commit {commit}{' with changes' if dirty else ''}"
