"""Ranks of the track ``hardware``: by measured energy per sample, among figures that mean the same.

Figures are compared only if scope, pace and batch size are the same, and in a group of the same data, protocol, split
and tier. In the order of their energy, an entry joins the group above it while its interval overlaps that of the
group's first entry. An entry has no rank if its energy is missing or was not measured, or was measured on a part of the
test samples only, or if the accuracy of the chip is not above chance. The accuracy is displayed beside the energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from leaderboard.claims.entry import StoredEntry
from leaderboard.claims.hardware import Hardware
from spikebench.metrics.ranks import rank_intervals
from spikebench.protocol.results import Result

__all__ = ["comparable", "energy_order", "energy_ranks", "why_no_energy_rank"]


def comparable(hardware: Hardware) -> tuple[str, str, int]:
    """Return what two measurements must have in common to be compared: scope, pace, batch size.

    Parameters
    ----------
    hardware
        A measurement.

    Returns
    -------
    tuple
        Equal for measurements that are compared.
    """
    return hardware.scope, hardware.pace, hardware.batch_size


def why_no_energy_rank(hardware: Hardware, result: Result) -> str:
    """Return the reason why a measurement has no rank.

    Parameters
    ----------
    hardware, result
        The measurement, and the result of its predictions.

    Returns
    -------
    str
        The reason; empty if it can be ranked.
    """
    energy, test_samples = hardware.energy_per_sample_j, result.dataset.split.test_samples
    if energy is None:
        return "no energy per sample"
    if energy.basis != "measured":
        return f"its energy per sample is {energy.basis}; a rank needs a measured one"
    if hardware.samples < test_samples:
        return (
            f"measured on {hardware.samples:,} of {test_samples:,} test samples; a rank needs all"
        )
    if result.summary.test_interval.low <= 1 / len(result.dataset.classes):
        return "the accuracy is not above chance"
    return ""


def energy_order(stored: StoredEntry) -> tuple[object, ...]:
    """Return the key that sorts entries of the track: comparable ones together, the lowest energy first.

    Parameters
    ----------
    stored
        An entry with a measurement.

    Returns
    -------
    tuple
        Sorting key.
    """
    assert stored.entry.hardware is not None
    energy = stored.entry.hardware.energy_per_sample_j
    value = float("inf") if energy is None else energy.value
    accuracy = stored.result.summary.test_mean
    return (*comparable(stored.entry.hardware), value, -accuracy, stored.entry.id)


def energy_ranks(ranked: Iterable[StoredEntry]) -> list[int]:
    """Return the rank of each entry among the comparable ones.

    Parameters
    ----------
    ranked
        Entries that have a rank, in the order of :func:`energy_order`.

    Returns
    -------
    list of int
        From 1 in every group of comparable entries.
    """
    found: list[int] = []
    measurements = [stored.entry.hardware for stored in ranked]
    for _, same in groupby(filter(None, measurements), key=comparable):
        energies = [one.energy_per_sample_j for one in same if one.energy_per_sample_j is not None]
        # Ranks are given for descending values.
        found += rank_intervals([(-energy.high, -energy.low) for energy in energies])
    return found
