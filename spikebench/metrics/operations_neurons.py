"""Neurons of other libraries, recognised by the names of their classes, so that none of them is imported.

::

    snnTorch        every SpikingNeuron, and LeakyParallel      spikes, or (spikes, states …)
    SpikingJelly    every BaseNode                              spikes
    norse           every SNN, SNNCell, SNNRecurrent(Cell)      (spikes, state), except leaky integrators (LI…)
    your own        a module with emits_spikes = True           spikes, or (spikes, states …)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_SPIKING = {
    "snntorch": ("SpikingNeuron", "LeakyParallel"),
    "spikingjelly": ("BaseNode", "SimpleBaseNode"),
    "norse": ("SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell"),
}
# Their states, kept between calls, and the method that forgets them.
_STATEFUL = {"snntorch": ("SpikingNeuron", "reset_mem"), "spikingjelly": ("MemoryModule", "reset")}


def emits_spikes(module: nn.Module) -> bool:
    """Return whether the output of a module is spikes.

    Parameters
    ----------
    module
        Any module.

    Returns
    -------
    bool
        True for a layer of spiking neurons of a known library, and for a module with ``emits_spikes = True``.
    """
    if isinstance(own := getattr(module, "emits_spikes", None), bool):
        return own
    name = type(module).__name__
    if _inherits(module, "norse") and name.startswith("LI") and "LIF" not in name:
        return False  # leaky integrators, whose output is a voltage
    return any(_inherits(module, library, *names) for library, names in _SPIKING.items())


def takes_all_steps(module: nn.Module) -> bool:
    """Return whether a layer of neurons takes all steps in one call, with an axis of time.

    Parameters
    ----------
    module
        A layer for which :func:`emits_spikes` is true.

    Returns
    -------
    bool
        False for a layer that is called once per step.
    """
    return (
        getattr(module, "step_mode", "s") == "m"
        or _inherits(module, "norse", "SNN", "SNNRecurrent")
        or _inherits(module, "snntorch", "LeakyParallel")
    )


def spikes_of(output: Any) -> torch.Tensor | None:  # noqa: ANN401
    """Return the spikes in the output of a layer of neurons.

    Parameters
    ----------
    output
        A tensor, or a tuple whose first item it is.

    Returns
    -------
    Tensor or None
        None if there is no such tensor.
    """
    found = output[0] if isinstance(output, tuple) and output else output
    return found if isinstance(found, torch.Tensor) else None


def reset_states(module: nn.Module) -> None:
    """Forget the states that neurons keep between calls, so that a batch does not depend on the one before it.

    Parameters
    ----------
    module
        A network. Hidden states of snnTorch (``init_hidden=True``) and SpikingJelly are reset; those of norse are
        arguments, and states of other modules are left as they are.
    """
    for part in module.modules():
        for library, (name, method) in _STATEFUL.items():
            if _inherits(part, library, name) and callable(reset := getattr(part, method, None)):
                reset()


def _inherits(module: nn.Module, library: str, *names: str) -> bool:
    """Return whether one of the classes of a module is of a library, and has one of the names if there are any."""
    return any(
        kind.__module__.partition(".")[0] == library and (not names or kind.__name__ in names)
        for kind in type(module).__mro__
    )
