"""Processor, threads, BLAS, GPU, folders and free space."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_info

from spikebench.doctor.finding import Finding
from spikebench.doctor.gpu_status import GPU_STATUS
from spikebench.encoders.cochlea.stored_design import VARIABLE as DESIGNS
from spikebench.encoders.cochlea.stored_design import designs_folder
from spikebench.kernels import cpu
from spikebench.kernels.cpu.threads import n_threads
from spikebench.records.text import os_error_text
from spikebench.store.folder import VARIABLE as DATA
from spikebench.store.folder import data_root

LEAST_FREE, ENOUGH_FREE = 2**27, 2**31  # bytes: for a run on digits, for the event cache of SHD
_NUMBA = "NUMBA_CACHE_DIR"


def check_machine() -> list[Finding]:
    """Look at the processor, the GPU, and the folders in which spikebench writes.

    Returns
    -------
    list of Finding
        Threads, BLAS, GPU, one for each folder, and the free space.
    """
    folders = {
        f"data sets ({DATA})": (data_root(), DATA),
        f"designs ({DESIGNS})": (designs_folder(), DESIGNS),
        f"compiled loops ({_NUMBA})": (_numba_folder(), _NUMBA),
    }
    return [
        _threads(),
        _blas(),
        _gpu(),
        *(check_folder(name, *place) for name, place in folders.items()),
        *(check_space(name, path) for name, path in _discs(data_root(), Path.cwd()).items()),
    ]


def _threads() -> Finding:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    threads = n_threads()
    found = f"{threads} for the kernels, {cores} cores may be used"
    if threads > cores:
        return Finding(
            "threads", "note", found, "more threads than cores are slow: set OMP_NUM_THREADS lower"
        )
    return Finding("threads", "ok", found)


def _blas() -> Finding:
    libraries = [one for one in threadpool_info() if one["user_api"] == "blas"]
    named = (f"{one['internal_api']} {one.get('version') or ''}".strip() for one in libraries)
    return Finding("BLAS", "ok", ", ".join(dict.fromkeys(named)) or "none that is known")


def _gpu() -> Finding:
    try:
        import torch
    except ModuleNotFoundError:
        return Finding("GPU", "ok", "not looked for, because PyTorch is not installed")
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        more = torch.cuda.device_count() - 1
        found = f"{device.name}, {device.total_memory / 2**30:.0f} GiB" + (
            f", and {more} more" if more else ""
        )
        return Finding("GPU", "note", f"{found}. {GPU_STATUS}", "run benchmarks/gpu.sh first")
    if shutil.which("nvidia-smi"):
        return Finding(
            "GPU",
            "note",
            "there is a driver, but PyTorch finds no GPU, so --device cuda is refused",
            "install a PyTorch for CUDA, see https://pytorch.org/get-started/locally",
        )
    return Finding("GPU", "ok", "none: training and encoding run on the processor (--device cpu)")


def _numba_folder() -> Path:
    """Return the folder of numba's cache: that of the environment, else beside the loops."""
    named = os.environ.get(_NUMBA)
    return Path(named) if named else Path(str(cpu.__file__)).parent / "__pycache__"


def check_folder(name: str, path: Path, variable: str) -> Finding:
    """Check that a file can be written in a folder.

    Parameters
    ----------
    name
        What is kept there.
    path
        The folder, which need not exist.
    variable
        Environment variable that names another one.

    Returns
    -------
    Finding
        Broken if no file can be written.
    """
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding(
            name,
            "broken",
            f"{path}: no file can be written there: {os_error_text(error)}",
            f"name a folder of your own in {variable}",
        )
    made = "" if path.exists() else ", made when it is needed"
    return Finding(name, "ok", f"{path}{made}")


def _discs(*folders: Path) -> dict[str, Path]:
    """Return an existing folder on every file system."""
    found: dict[int, Path] = {}
    for folder in folders:
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        found.setdefault(existing.stat().st_dev, existing)
    return {f"free space at {path}": path for path in found.values()}


def check_space(
    name: str, path: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
) -> Finding:
    """Check the free space of a file system.

    Parameters
    ----------
    name
        What to call it.
    path
        A folder on it.
    usage
        Returns total, used and free bytes.

    Returns
    -------
    Finding
        Broken below :data:`LEAST_FREE`, a note below :data:`ENOUGH_FREE`.
    """
    free = usage(path)[2]
    found = f"{free / 2**30:.1f} GiB"
    remedy = f"delete files there, or name a folder elsewhere in {DATA}"
    if free < LEAST_FREE:
        return Finding(name, "broken", found, remedy)
    if free < ENOUGH_FREE:
        return Finding(name, "note", f"{found}: little for a data set such as SHD", remedy)
    return Finding(name, "ok", found)
