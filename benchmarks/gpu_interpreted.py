"""Run a script or a module with the kernels of a GPU in Triton's interpreter, on tensors of the CPU.

    python benchmarks/gpu_interpreted.py SCRIPT [ARGUMENT]…
    python benchmarks/gpu_interpreted.py -m MODULE [ARGUMENT]…

What asks for the kernels of device ``cpu`` gets those of a GPU. It is thousands of times slower: for tiny shapes.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported


def replace_kernels() -> None:
    """Make networks and the cochlea use Triton's kernels on the CPU."""
    from spikebench.encoders.cochlea import device_cochlea
    from spikebench.encoders.cochlea import triton as of_cochlea
    from spikebench.kernels import operators
    from spikebench.kernels.triton import launch as of_networks

    of_networks._PROGRAMS = 1  # as few programs as possible
    operators._device = lambda tensor: of_networks  # type: ignore[assignment]
    device_cochlea._kernels = lambda device: of_cochlea  # type: ignore[assignment]


def main() -> None:
    """Run the script or module."""
    words = sys.argv[1:]
    replace_kernels()
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
