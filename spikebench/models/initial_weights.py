"""Initial weights of spiking layers: the scale at which membranes fluctuate by one threshold.

After Rossbroich et al. (2022), doi 10.1088/2634-4386/ac97bb.
"""

from __future__ import annotations

import math


def fluctuation_scale(n_in: int, rate: float, decay_syn: float, decay_mem: float) -> float:
    """Compute the weight scale at which membranes fluctuate by one threshold.

    A Poisson input of mean count ``rate`` per bin through both filters causes a membrane variance of
    n_in·w²·rate·ε, where ε is the energy of the filters' impulse response.

    Parameters
    ----------
    n_in
        Number of inputs.
    rate
        Mean count per input and bin.
    decay_syn, decay_mem
        Decays per bin.

    Returns
    -------
    float
        Standard deviation w of the weights.
    """
    syn, mem, energy = 1.0, 0.0, 0.0
    while syn > 1e-9 or mem > 1e-9:
        mem = decay_mem * mem + (1 - decay_mem) * syn
        energy += mem * mem
        syn *= decay_syn
    return 1 / math.sqrt(n_in * max(rate, 1e-6) * energy)
