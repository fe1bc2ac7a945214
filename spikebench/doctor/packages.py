"""Versions of Python and of the packages."""

from __future__ import annotations

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from spikebench import __version__
from spikebench.doctor.finding import Finding

LEAST_PYTHON = (3, 11)
# Name of the package → name under which it is imported.
NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "numba": "numba",
    "h5py": "h5py",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "librosa": "librosa",
    "scikit-learn": "sklearn",
    "safetensors": "safetensors",
    "pydantic": "pydantic",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
}
# Name of the package → name of the extra, and what it is for.
EXTRA = {
    "torch": ("train", "training, testing or the leaderboard"),
    "pyarrow": ("arrow", "data export"),
    "nir": ("export", "export --nir"),
    "onnx": ("export", "export --onnx"),
    "distributed": ("cluster", "--scheduler"),
    "tensorboard": ("tensorboard", "--tensorboard"),
}


def check_packages() -> list[Finding]:
    """Import every package that is needed, and look for those that are optional.

    Returns
    -------
    list of Finding
        Python, spikebench, one for each package that is needed, and one for each extra.
    """
    return [
        _python(),
        Finding("spikebench", "ok", __version__),
        *map(_needed, NEEDED),
        *map(_optional, EXTRA),
    ]


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        return Finding("python", "broken", found, f"install Python {least} or later")
    return Finding("python", "ok", found)


def _needed(name: str) -> Finding:
    try:
        importlib.import_module(NEEDED[name])
        return Finding(name, "ok", version(name))
    except Exception as error:  # a damaged package may raise anything
        return _damaged(name, error)


def _damaged(name: str, error: Exception) -> Finding:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    remedy = f"pip install --force-reinstall {name}"
    return Finding(name, "broken", f"cannot be imported: {reason}", remedy)


def _optional(name: str) -> Finding:
    """Look for an optional package; PyTorch, on which most depends, is imported."""
    extra, use = EXTRA[name]
    try:
        found = version(name)
        if name == "torch":
            importlib.import_module(name)
        return Finding(name, "ok", found)
    except (PackageNotFoundError, ModuleNotFoundError):
        remedy = f"pip install 'spikebench[{extra}]'"
        return Finding(name, "note", f"not installed; only {use} needs it", remedy)
    except Exception as error:
        return _damaged(name, error)
