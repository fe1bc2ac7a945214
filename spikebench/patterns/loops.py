"""The compiled loop of spike patterns: a presentation of two layers of leaky neurons, and its changes by SuperSpike.

Equations: :mod:`spikebench.learning.superspike`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def _fire(
    mem: Floats,
    current: Floats,
    kept: Floats,
    near: Floats,
    spikes: NDArray[np.bool_],
    beta: float,
    slope: float,
) -> None:
    """Advance the membranes of a layer by a step; ``kept`` is 1 − S[t−1]."""
    for i in range(mem.size):
        mem[i] = (beta * mem[i] + (1 - beta) * current[i]) * kept[i]
        near[i] = 1 / (slope * abs(mem[i] - 1) + 1) ** 2
        spikes[i] = mem[i] >= 1


@compiled
def _learn(
    e: Floats,
    r: Floats,
    f: Floats,
    gradient: Floats,
    q: Floats,
    kept: Floats,
    near: Floats,
    error: Floats,
    beta: float,
    rise: float,
    decay: float,
) -> None:
    """Advance the traces of a layer by a step, and add their products with the errors."""
    for p in range(q.size):
        for i in range(near.size):
            e[p, i] = kept[i] * (beta * e[p, i] + (1 - beta) * q[p])
            r[p, i] = rise * r[p, i] + (1 - rise) * near[i] * e[p, i]
            f[p, i] = decay * f[p, i] + (1 - decay) * r[p, i]
            gradient[p, i] += error[i] * f[p, i]


@compiled
def present(
    inputs: NDArray[np.bool_],
    targets: NDArray[np.bool_],
    hidden_weights: Floats,
    output_weights: Floats,
    feedback: Floats,
    decays: tuple[float, float, float, float],
    slope: float,
    learns: bool,
    hidden_spikes: NDArray[np.bool_],
    output_spikes: NDArray[np.bool_],
    hidden_gradient: Floats,
    output_gradient: Floats,
) -> float:
    """Present the inputs once; return the loss.

    ``inputs``, ``targets``, ``hidden_spikes`` and ``output_spikes`` are (time, unit); the last two are written. Weights
    and gradients are (from, to), ``feedback`` (hidden, output). ``decays``: α, β, and those of the rise and of
    the decay of a. With ``learns``, −ΔW of the rule is written to the gradients.
    """
    n_steps, n_in = inputs.shape
    n_hidden, n_out = output_weights.shape
    alpha, beta, rise, decay = decays
    hidden_gradient[:] = 0.0
    output_gradient[:] = 0.0
    q_in, current, mem = np.zeros(n_in), np.zeros(n_hidden), np.zeros(n_hidden)
    q_hidden, out_current, out_mem = np.zeros(n_hidden), np.zeros(n_out), np.zeros(n_out)
    kept, near, signal = np.ones(n_hidden), np.zeros(n_hidden), np.zeros(n_hidden)
    out_kept, out_near = np.ones(n_out), np.zeros(n_out)
    error_rise, error = np.zeros(n_out), np.zeros(n_out)
    shape, out_shape = (n_in, n_hidden), (n_hidden, n_out)
    e, r, f = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    out_e, out_r, out_f = np.zeros(out_shape), np.zeros(out_shape), np.zeros(out_shape)
    loss = 0.0
    for t in range(n_steps):
        current *= alpha
        for p in range(n_in):
            q_in[p] *= alpha
            if inputs[t, p]:
                q_in[p] += 1.0
                current += hidden_weights[p]
        _fire(mem, current, kept, near, hidden_spikes[t], beta, slope)
        out_current *= alpha
        for p in range(n_hidden):
            q_hidden[p] *= alpha
            if hidden_spikes[t, p]:
                q_hidden[p] += 1.0
                out_current += output_weights[p]
        _fire(out_mem, out_current, out_kept, out_near, output_spikes[t], beta, slope)
        for k in range(n_out):
            difference = (1.0 if output_spikes[t, k] else 0.0) - (1.0 if targets[t, k] else 0.0)
            error_rise[k] = rise * error_rise[k] + (1 - rise) * difference
            error[k] = decay * error[k] + (1 - decay) * error_rise[k]
            loss += 0.5 * error[k] * error[k]
        if learns:
            for j in range(n_hidden):
                total = 0.0
                for k in range(n_out):
                    total += feedback[j, k] * error[k]
                signal[j] = total
            _learn(e, r, f, hidden_gradient, q_in, kept, near, signal, beta, rise, decay)
            _learn(
                out_e,
                out_r,
                out_f,
                output_gradient,
                q_hidden,
                out_kept,
                out_near,
                error,
                beta,
                rise,
                decay,
            )
        for j in range(n_hidden):
            kept[j] = 0.0 if hidden_spikes[t, j] else 1.0
        for k in range(n_out):
            out_kept[k] = 0.0 if output_spikes[t, k] else 1.0
    return loss
