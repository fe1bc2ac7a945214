"""The compiled loop of :mod:`spikebench.learning.online_layer`: block-diagonal traces of a block of steps, gradients.

The traces of one source stay in the processor's cache for all steps of a block.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from spikebench.compiled import compiled

_Floats = NDArray[Any]


@compiled
def advance_traces(
    membrane_traces: _Floats,
    filtered_traces: _Floats,
    gradient: _Floats,
    sources: _Floats,
    decay: _Floats,
    drive: _Floats,
    near: _Floats,
    error: _Floats,
    gamma: float,
    first: int,
    last: int,
) -> None:
    """Advance the traces of the samples ``first`` to before ``last`` by a block of steps, and sum their gradient.

    ``membrane_traces`` and ``filtered_traces`` (batch, source, neuron) and ``gradient`` (source, neuron) are changed.
    ``sources`` (time, batch, source): q; ``decay``, ``drive``, ``near``, ``error`` (time, batch, neuron):
    β·(1 − S[t−1]), (1 − β)·(1 − S[t−1]), (1 − γ)·ψ and ∂L/∂z. All are floats of one type.
    """
    n_steps, _, n_sources = sources.shape
    n = decay.shape[2]
    for b in range(first, last):
        for p in range(n_sources):
            e, f, g = membrane_traces[b, p], filtered_traces[b, p], gradient[p]
            for t in range(n_steps):
                q = sources[t, b, p]
                kept, driven, close, wrong = decay[t, b], drive[t, b], near[t, b], error[t, b]
                for i in range(n):
                    e[i] = kept[i] * e[i] + driven[i] * q
                    f[i] = gamma * f[i] + close[i] * e[i]
                    g[i] += wrong[i] * f[i]
