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
    "torch": "torch",
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
    return [_python(), Finding("spikebench", "ok", __version__), *map(_needed, NEEDED), *_extras()]


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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding(
            name,
            "broken",
            f"cannot be imported: {reason}",
            f"pip install --force-reinstall {name}",
        )


def _extras() -> list[Finding]:
    findings = []
    for name, (extra, use) in EXTRA.items():
        try:
            findings.append(Finding(name, "ok", version(name)))
        except PackageNotFoundError:
            findings.append(
                Finding(
                    name,
                    "note",
                    f"not installed; only {use} needs it",
                    f"pip install 'spikebench[{extra}]'",
                )
            )
    return findings
