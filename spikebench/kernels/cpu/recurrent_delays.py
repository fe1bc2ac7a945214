"""Loops of recurrent spikes with delays: lists of arrivals, and their gradients.

See :mod:`spikebench.kernels.recurrent_delays`.

Tap s of unit u arrives 1 + late[u] + s steps after the spike, s = 0, 1. Arrivals have the numbers u + s·(units), rows
of the table of both taps. No cost depends on the longest delay, except memory.
"""

from __future__ import annotations

import numpy as np

from spikebench.kernels.cpu.compiling import Floats, Ints, Offsets, compiled, compiled_in_any_order
from spikebench.kernels.cpu.events import Events
from spikebench.kernels.cpu.vectors import sum_rows

_TAPS = 2


@compiled
def arrive_again(past: Floats, late: Offsets, arriving: Ints, n_arriving: Offsets) -> None:
    """List the arrivals of the spikes before the first step, ``past`` (step, unit), the latest first.

    ``arriving`` is a ring buffer of lists, one for each of the next steps, ``n_arriving`` their lengths.
    """
    n_arriving[:] = 0
    for s in range(len(past)):
        for u in range(late.size):
            if past[s, u] > 0:
                for tap in range(_TAPS):
                    at = late[u] + tap - s
                    if at >= 0:
                        slot = at % len(arriving)
                        arriving[slot, n_arriving[slot]] = u + tap * late.size
                        n_arriving[slot] += 1


@compiled
def send(
    found: Ints,
    begin: int,
    end: int,
    late: Offsets,
    t: int,
    arriving: Ints,
    n_arriving: Offsets,
) -> None:
    """List the arrivals of the units that fired at t. No unit arrives twice at one tap and step, so lists suffice."""
    for e in range(begin, end):
        u = found[e]
        for tap in range(_TAPS):
            slot = (t + 1 + late[u] + tap) % len(arriving)
            arriving[slot, n_arriving[slot]] = u + tap * late.size
            n_arriving[slot] += 1


@compiled
def add_arrived(
    recurrent: Floats, arriving: Ints, n_arriving: Offsets, t: int, syn: Floats
) -> None:
    """I += Σ of the rows of both taps that arrive at t; their list is emptied."""
    slot = t % len(arriving)
    table = recurrent.reshape((_TAPS * syn.size, syn.size))
    sum_rows(table, arriving[slot], 0, n_arriving[slot], syn)
    n_arriving[slot] = 0


@compiled
def list_arrivals(spikes: Events, late: Offsets, past: Floats, n_steps: int) -> Events:
    """List the arrivals of all spikes, and of those before the first step, ``past`` (sample, step, unit)."""
    n_samples, n_past, n = past.shape
    places = np.zeros(n_samples * n_steps + 1, np.int64)
    bins, units = np.empty(0, np.int32), np.empty(0, np.int32)
    for fills in range(2):  # first counted, then written
        for k in range(n_samples):
            for s in range(n_past):
                for u in range(n):
                    if past[k, s, u] > 0:
                        _place(k, late[u] - s, u, n, n_steps, places, bins, units, fills)
            for e in range(spikes.offsets[k], spikes.offsets[k + 1]):
                u = spikes.units[e]
                at = spikes.bins[e] + 1 + late[u]
                _place(k, at, u, n, n_steps, places, bins, units, fills)
        if fills == 0:
            for cell in range(n_samples * n_steps):
                places[cell + 1] += places[cell]
            total = places[n_samples * n_steps]
            bins, units = np.empty(total, np.int32), np.empty(total, np.int32)
    offsets = np.zeros(n_samples + 1, np.int64)
    for k in range(n_samples):  # every place has moved to the end of its cell
        offsets[k + 1] = places[(k + 1) * n_steps - 1]
    return Events(offsets, bins, units)


@compiled
def _place(
    k: int,
    first: int,
    u: int,
    n: int,
    n_steps: int,
    places: Offsets,
    bins: Ints,
    units: Ints,
    fills: int,
) -> None:
    """Count or write the arrivals of one spike at both taps."""
    for tap in range(_TAPS):
        at = first + tap
        if at < 0 or at >= n_steps:
            continue
        cell = k * n_steps + at
        if fills:
            bins[places[cell]] = at
            units[places[cell]] = u + tap * n
            places[cell] += 1
        else:
            places[cell + 1] += 1


@compiled
def feed_back_delayed_active(
    lam_syn: Floats,
    recurrent: Floats,
    late: Offsets,
    t: int,
    n_steps: int,
    active: Ints,
    n_active: Offsets,
    gs: Floats,
) -> None:
    """Add dL/dI at the arrivals of a spike at t, multiplied by both taps, to the gradients of the active units."""
    n_ring = len(lam_syn)
    for k in range(len(gs)):
        for e in range(n_active[k]):
            u = active[k, e]
            at = t + 1 + late[u]
            if at < n_steps:
                early, later = lam_syn[at % n_ring, k], lam_syn[(at + 1) % n_ring, k]
                gs[k, u] += _product(recurrent[0, u], early, recurrent[1, u], later)


@compiled_in_any_order
def _product(row: Floats, lam: Floats, next_row: Floats, next_lam: Floats) -> float:
    """Σ row·lam + next_row·next_lam."""
    total = row[0] - row[0]
    for h in range(row.size):
        total += row[h] * lam[h] + next_row[h] * next_lam[h]
    return total  # type: ignore[no-any-return]


@compiled
def feed_back_delayed(products: Floats, late: Offsets, t: int, gs: Floats) -> None:
    """Like :func:`feed_back_delayed_active`, for all units, from the stored products (step, tap, unit, sample).

    Those of a unit and step are side by side, so that a long delay does not read a cache line per sample.
    """
    n_ring = len(products)
    for u in range(late.size):
        at = t + 1 + late[u]
        early, later = products[at % n_ring, 0, u], products[(at + 1) % n_ring, 1, u]
        for k in range(len(gs)):
            gs[k, u] += early[k] + later[k]


@compiled
def products_of_taps(lam: Floats, panels: Floats, product: Floats, out: Floats) -> None:
    """Multiply dL/dI of a step (sample, unit) by both taps, into ``out`` (tap, unit, sample)."""
    n_taps, n_panels, _, width = panels.shape
    for tap in range(n_taps):
        for p in range(n_panels):
            np.dot(lam, panels[tap, p], product)
            start = p * width
            for h in range(min(width, lam.shape[1] - start)):
                for k in range(len(lam)):
                    out[tap, start + h, k] = product[k, h]
