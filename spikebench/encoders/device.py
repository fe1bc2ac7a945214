"""Selection of the device for encoding."""

from __future__ import annotations

import torch

from spikebench.errors import SpikebenchError

__all__ = ["find_device"]


def find_device(name: str) -> torch.device:
    """Return the requested device for encoding; there is no fallback to another one.

    Parameters
    ----------
    name
        ``cuda``, ``cuda:INDEX``, or ``cpu`` (the reference of the kernels: slow, for tests).

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    SpikebenchError
        If it is unknown or not available.
    """
    kind, _, index = name.partition(":")
    if name == "cpu":
        return torch.device(name)
    if kind != "cuda" or (":" in name and not (index.isascii() and index.isdigit())):
        raise SpikebenchError(f"unknown device {name!r}; known: cuda, cuda:INDEX, cpu")
    if not torch.cuda.is_available():
        raise SpikebenchError(f"device {name}: torch finds no CUDA device; use the CPU")
    if int(index or 0) >= torch.cuda.device_count():
        raise SpikebenchError(
            f"device {name}: there are only {torch.cuda.device_count()} CUDA devices, from cuda:0 on"
        )
    return torch.device("cuda", int(index or torch.cuda.current_device()))
