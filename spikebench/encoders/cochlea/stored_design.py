"""Cache of designs of the basilar membrane, whose computation takes longer than the conversion of a word.

A file holds the arrays of a :class:`cochlea.BasilarMembraneCoeffs` bit for bit. Its name is a digest of everything
that determines them: parameters, rate, channels, the source of the design, the versions of the libraries, the machine
and the vector instructions that numpy uses. A file that is damaged or cannot be read is computed again. Only the files
that were used last are kept; one that another process still needs is in its memory, or is computed again.

Where no design is stored, the loops of the cochlea are usually not compiled either. Both happen at the same time: the
design is computed by the libraries, mostly without the interpreter's lock, the compiler needs it for most of its time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs

import cochlea
from cochlea import basilar_membrane, inverse_transform
from spikebench.records.whole_files import remove_partials, whole_file

__all__ = ["stored_design"]

VARIABLE = "SPIKEBENCH_DESIGNS"
LEAST_CHANNELS = 100  # fewer are designed as fast as they are read
MOST_FILES = 8  # of 26 MB for 700 channels
SWITCH_S = 5e-5  # of the interpreter between threads; at its default the design would wait 5 ms for the lock each time
_ONE_AT_A_TIME = threading.Lock()
_ARRAYS = ("edges", "polynomials", "n_panels")
_WINDOW = ("window", "window_polynomials")


@lru_cache(maxsize=4)
def stored_design(
    rate: int, n_channels: int, params: cochlea.BasilarMembraneParams, software: str
) -> cochlea.BasilarMembraneCoeffs:
    """Read a design of the membrane, or compute and store it.

    Parameters
    ----------
    rate
        Sampling rate of the recording [Hz].
    n_channels
        Number of channels.
    params
        Parameters of the membrane.
    software
        Names and versions of the libraries that compute the design.

    Returns
    -------
    BasilarMembraneCoeffs
        Bit for bit that of :func:`cochlea.design_basilar_membrane`; its arrays are read-only.
    """
    if n_channels < LEAST_CHANNELS:
        return cochlea.design_basilar_membrane(rate, n_channels, None, params)
    path = design_path(rate, n_channels, params, software)
    with _ONE_AT_A_TIME:
        # Damage is found by the checksums of the archive; in its headers it raises errors of many types.
        with contextlib.suppress(Exception):
            design = _read(path, rate)
            with contextlib.suppress(OSError):
                os.utime(path)  # used last
            return design
        design = _compute(rate, n_channels, params)
        with contextlib.suppress(OSError):
            _write(path, design)
            _remove_least_recent(path.parent)
        return design


def _compute(
    rate: int, n_channels: int, params: cochlea.BasilarMembraneParams
) -> cochlea.BasilarMembraneCoeffs:
    """Compute a design while this thread compiles the loops."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        with ThreadPoolExecutor(1) as beside:
            design = beside.submit(cochlea.design_basilar_membrane, rate, n_channels, None, params)
            _compile_loops()
            return design.result()
    finally:
        sys.setswitchinterval(interval)


def _compile_loops() -> None:
    """Encode something short by a membrane of one channel, whose design takes little time."""
    preset = replace(cochlea.PRESETS["shd"], input_rate=None)
    cochlea.encode(np.sin(np.arange(400.0)), 4000, preset, 1)


def design_path(
    rate: int, n_channels: int, params: cochlea.BasilarMembraneParams, software: str
) -> Path:
    """Return the file of a design.

    Parameters
    ----------
    rate, n_channels, params, software
        As for :func:`stored_design`.

    Returns
    -------
    Path
        The file, in ``$SPIKEBENCH_DESIGNS`` if that is set, else in the folder ``spikebench-designs`` of the user's
        cache; it need not exist.
    """
    sources = [
        Path(str(module.__file__)).read_bytes() for module in (basilar_membrane, inverse_transform)
    ]
    made_by = [
        *(rate, n_channels, asdict(params), software, platform.machine(), platform.node()),
        np.show_config(mode="dicts")["SIMD Extensions"],
        *(hashlib.sha256(source).hexdigest() for source in sources),
    ]
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()
    return designs_folder() / f"{digest[:32]}.npz"


def designs_folder() -> Path:
    """Return the folder of the designs.

    Returns
    -------
    Path
        ``$SPIKEBENCH_DESIGNS`` if that is set, else the folder ``spikebench-designs`` of the user's cache; it need not
        exist.
    """
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("spikebench-designs")


def _read(path: Path, rate: int) -> cochlea.BasilarMembraneCoeffs:
    with zipfile.ZipFile(
        path
    ) as archive:  # np.load would parse an array before its checksum is known
        edges, polynomials, n_panels, numbers, window_polynomials = (
            np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in (*_ARRAYS, *_WINDOW)
        )
    beta, i0_beta = numbers.tolist()
    window = cochlea.Window(beta, i0_beta, window_polynomials)
    for array in (edges, polynomials, n_panels, window.polynomials):
        array.setflags(write=False)  # as computed ones: loops are compiled for them
    return cochlea.BasilarMembraneCoeffs(rate // 2, edges, polynomials, n_panels, window)


def _write(path: Path, design: cochlea.BasilarMembraneCoeffs) -> None:
    """Write the whole file or none; concurrent writers write the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    window = design.window
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            **{name: getattr(design, name) for name in _ARRAYS},
            window=np.array([window.beta, window.i0_beta]),
            window_polynomials=window.polynomials,
        )


def _remove_least_recent(folder: Path) -> None:
    """Remove all but the files used last, and what killed processes left; others may do the same meanwhile."""
    remove_partials(folder)
    used = {}
    for path in folder.glob("*.npz"):
        with contextlib.suppress(OSError):  # removed by another process
            used[path] = path.stat().st_mtime_ns
    for path in sorted(used, key=used.__getitem__, reverse=True)[MOST_FILES:]:
        with contextlib.suppress(OSError):
            path.unlink()
