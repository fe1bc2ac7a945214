"""The cochlea on a device: batches of clips, one lane per channel of a clip.

The design (levels, windows, transfer function, coefficients) is that of :mod:`cochlea`; here it runs
on tensors, stage by stage for all lanes of a batch::

    recording → spectrum → filter → chirp-z → velocity → hair cells → p_fire → bushy cells → spikes

The spikes of a clip do not depend on the batch. Transforms run clip by clip with shapes that depend only on its
length, lanes are independent, and every random number is a function of (seed of the clip, channel,
sample), drawn by Philox. Batch, order, padding and memory change no spike. Another GPU model or
library version may round the transforms differently, which occasionally moves a spike. Random
numbers differ from those of :func:`cochlea.encode`: the spikes are equal to its spikes in distribution only.

Precision: transforms and signals are float32; the states of the cells are float64, which are a small part of the
bytes and operations. ``p_fire`` is guaranteed within :data:`P_FIRE_BOUND` of :func:`cochlea.trace`
(absolute). Measured over words, tones, a click and a square wave in both presets, the difference is at most 5e-8.
With float64 throughout it is 2e-13, for twice the memory traffic on any GPU and 32 to 64 times the cost of
an operation on a GPU that is not made for data centres.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import cochlea
from cochlea import CochleaParams, Spikes
from cochlea.pipeline import MAX_CHANNELS
from spikebench.encoders import encoder
from spikebench.encoders.cochlea import reference
from spikebench.encoders.cochlea.chirp_z import chirp_z, padded_length
from spikebench.encoders.cochlea.device_batches import Item, cut_batches, within_memory
from spikebench.encoders.device import find_device
from spikebench.errors import SpikebenchError

__all__ = [
    "P_FIRE_BOUND",
    "DeviceCochlea",
    "Prepared",
    "encode_batch",
    "encode_prepared",
    "prepare",
    "trace_batch",
]

P_FIRE_BOUND = 1e-5  # |p_fire − cochlea's|, absolute

_COMPLEX = torch.complex64  # dtype of transforms; signals have its real type


class Prepared(NamedTuple):
    """A recording ready for the membrane.

    Attributes
    ----------
    samples : ndarray of float64, shape (N,)
        Samples after resampling, levelling and windowing.
    sample_rate : int
        Their rate [Hz].
    """

    samples: NDArray[np.float64]
    sample_rate: int


class _Filter(NamedTuple):
    """The transfer function on a device; fields as in ``BasilarMembraneCoeffs``, padded to an even channel number."""

    edges: torch.Tensor
    polynomials: torch.Tensor
    n_panels: torch.Tensor


class _Bins(NamedTuple):
    """The spectrum of a recording divided by its length, and the panel of each bin with its position there."""

    spectrum: torch.Tensor
    panel: torch.Tensor
    position: torch.Tensor


def _kernels(device: torch.device) -> ModuleType:
    if device.type == "cpu":
        return reference
    try:
        from spikebench.encoders.cochlea import triton
    except ImportError as error:
        raise SpikebenchError(
            f"device {device}: Triton cannot be loaded ({error}); pip install triton"
        ) from None
    return triton


def prepare(samples: ArrayLike, sample_rate: float, params: CochleaParams) -> Prepared:
    """Check, resample, level and window one recording, as :func:`cochlea.encode` does.

    Parameters
    ----------
    samples, sample_rate
        As for :func:`cochlea.encode`.
    params
        Parameters of the conversion.

    Returns
    -------
    Prepared
        Input of the membrane.

    Raises
    ------
    ValueError
        As :func:`cochlea.encode`.
    """
    return Prepared(*cochlea.prepare_recording(samples, sample_rate, params))


@dataclasses.dataclass(frozen=True)
class DeviceCochlea:
    """The cochlea with its parameters, as a :class:`spikebench.encoders.encoder.DeviceEncoder`."""

    params: CochleaParams
    n_units: int

    def prepare(self, samples: NDArray[np.float64], sample_rate: int) -> Prepared:
        """Check, resample, level and window one recording; see :func:`prepare`."""
        return prepare(samples, sample_rate, self.params)

    def encode_prepared(
        self, prepared: Sequence[Prepared], seeds: Sequence[Sequence[int]], device: str
    ) -> list[encoder.Spikes]:
        """Encode prepared recordings as spikes; see :func:`encode_prepared`."""
        encoded = encode_prepared(prepared, seeds, self.params, self.n_units, device)
        return [encoder.Spikes(*spikes) for spikes in encoded]

    def describe(self, device: str) -> str:
        """Name the device, the version of torch, precision and generator."""
        found = find_device(device)
        name = torch.cuda.get_device_name(found) if found.type == "cuda" else "CPU"
        return f"{found.type} ({name}), torch {version('torch')}, float32 transforms, Philox"


def encode_batch(
    recordings: Sequence[tuple[ArrayLike, float]],
    seeds: Sequence[Sequence[int]],
    params: CochleaParams,
    n_channels: int,
    device: str,
) -> list[Spikes]:
    """Encode recordings as spikes on a device.

    Parameters
    ----------
    recordings
        Samples and rate [Hz] of each, as for :func:`cochlea.encode`.
    seeds
        Seed of each recording: non-negative integers that together are one seed.
    params
        Parameters of the conversion.
    n_channels
        Channels along the membrane, 1 … 65,536.
    device
        As for :func:`spikebench.encoders.device.find_device`.

    Returns
    -------
    list of cochlea.Spikes
        Times [s] and channels of each recording.

    Raises
    ------
    SpikebenchError
        If the device cannot be used or a single item does not fit into its memory.
    ValueError
        If a recording cannot be used, as :func:`prepare` raises it.
    """
    prepared = [prepare(samples, rate, params) for samples, rate in recordings]
    return encode_prepared(prepared, seeds, params, n_channels, device)


def encode_prepared(
    prepared: Sequence[Prepared],
    seeds: Sequence[Sequence[int]],
    params: CochleaParams,
    n_channels: int,
    device: str,
    budget: int | None = None,
) -> list[Spikes]:
    """Encode prepared recordings as spikes; the part of :func:`encode_batch` that uses the device.

    Parameters
    ----------
    prepared
        Results of :func:`prepare`, which may run in other processes.
    seeds, params, n_channels, device
        As for :func:`encode_batch`.
    budget
        Bytes for the signals of a batch; by default a share of the free memory. It changes no spike.

    Returns
    -------
    list of cochlea.Spikes
        As from :func:`encode_batch`.

    Raises
    ------
    SpikebenchError
        As :func:`encode_batch`.
    """
    if len(seeds) != len(prepared):
        raise ValueError(f"{len(prepared)} recordings need as many seeds, got {len(seeds)}")
    found = find_device(device)
    _kernels(found)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in prepared]

    def run(items: list[Item]) -> list[tuple[int, NDArray[np.int64]]]:
        signal, lengths = _release(items, prepared, params, n_channels, found)
        rate = items[0].sample_rate // 2
        identity = _identity(items, seeds).to(found)
        return _spike_keys(items, signal, lengths, identity, rate, params, n_channels)

    for items in _batches(prepared, params, n_channels, found, budget):
        for clip, keys in within_memory(run, items, found):
            parts[clip].append(keys)
    encoded = []
    for recording, of_clip in zip(prepared, parts, strict=True):
        key = np.sort(np.concatenate(of_clip))
        times = key // n_channels / (recording.sample_rate // 2)
        encoded.append(Spikes(times, (key % n_channels).astype(np.uint16)))
    return encoded


def trace_batch(
    recordings: Sequence[tuple[ArrayLike, float]],
    params: CochleaParams,
    n_channels: int,
    device: str,
) -> list[NDArray[np.float64]]:
    """Compute release probabilities on a device; they are deterministic.

    Parameters
    ----------
    recordings, params, n_channels, device
        As for :func:`encode_batch`.

    Returns
    -------
    list of ndarray of float64, shape (n_channels, n)
        ``p_fire`` of each recording at half its rate (after resampling); within
        :data:`P_FIRE_BOUND` of :func:`cochlea.trace`.

    Raises
    ------
    SpikebenchError, ValueError
        As :func:`encode_batch`.
    """
    found = find_device(device)
    _kernels(found)
    prepared = [prepare(samples, rate, params) for samples, rate in recordings]
    traces = [np.empty((n_channels, clip.samples.size // 2 + 1)) for clip in prepared]

    def run(items: list[Item]) -> list[tuple[Item, NDArray[np.float64]]]:
        signal, _ = _release(items, prepared, params, n_channels, found)
        slices = torch.split_with_sizes(signal, [2 * item.n_pairs for item in items], dim=1)
        return [
            (item, part[: item.n].T.double().cpu().numpy())
            for item, part in zip(items, slices, strict=True)
        ]

    for items in _batches(prepared, params, n_channels, found, None):
        for item, p_fire in within_memory(run, items, found):
            rows = traces[item.clip][2 * item.first_pair : 2 * (item.first_pair + item.n_pairs)]
            rows[:] = p_fire[: rows.shape[0]]
    return traces


def _batches(
    prepared: Sequence[Prepared],
    params: CochleaParams,
    n_channels: int,
    device: torch.device,
    budget: int | None,
) -> Iterator[list[Item]]:
    """Check the settings common to all clips, and cut batches."""
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise ValueError(f"n_channels must be in 1 … {MAX_CHANNELS}, got {n_channels}")
    if params.bushy_cell.n_trains > reference.MAX_TRAINS:
        raise SpikebenchError(
            f"{params.bushy_cell.n_trains} release trains: a device supports at most "
            f"{reference.MAX_TRAINS}; use the CPU"
        )
    sizes = [(clip.sample_rate, clip.samples.size // 2 + 1) for clip in prepared]
    return cut_batches(sizes, n_channels, _COMPLEX.itemsize, device, budget)


def _release(
    items: list[Item],
    prepared: Sequence[Prepared],
    params: CochleaParams,
    n_channels: int,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run membrane and hair cells of a batch: p_fire, shape (samples, lanes), and lengths (lanes,)."""
    rate = items[0].sample_rate
    lanes = torch.tensor([2 * item.n_pairs for item in items])
    n = torch.tensor([item.n for item in items], dtype=torch.int32)
    lengths = torch.repeat_interleave(n, lanes).to(device)
    shape = (int(n.max()), int(lanes.sum()) // 2)
    packed = torch.zeros(shape, dtype=_COMPLEX, device=device)
    table = _filter(rate, n_channels, params, device)
    first = 0
    bins: _Bins | None = None
    for i, item in enumerate(items):
        if bins is None or item.clip != items[i - 1].clip:
            bins = _analyse(prepared[item.clip], table)
        _velocity(bins, item, table, packed[: item.n, first : first + item.n_pairs].T)
        first += item.n_pairs
    signal = torch.view_as_real(packed).flatten(1)
    hair = cochlea.design_hair_cell(rate // 2, params.hair_cell)
    constants = torch.tensor(dataclasses.astuple(hair), dtype=torch.float64, device=device)
    _kernels(device).hair_cells(signal, lengths, constants)
    return signal, lengths


def _analyse(recording: Prepared, table: _Filter) -> _Bins:
    """Transform a recording and find the panel of each bin."""
    device, size = table.edges.device, recording.samples.size
    n = size // 2 + 1
    rows = torch.zeros((1, padded_length(size, n)), dtype=_COMPLEX, device=device)
    rows[0, :size] = torch.from_numpy(recording.samples).to(device)
    spectrum = torch.empty((1, n), dtype=_COMPLEX, device=device)
    chirp_z(rows, size, size, -1, spectrum)
    top = recording.sample_rate // 2
    frequency = torch.linspace(1.0, top, n, dtype=torch.float64, device=device)
    panel = torch.bucketize(frequency, table.edges, right=True) - 1
    panel = panel.clamp(0, table.edges.shape[0] - 2)
    low, high = table.edges[panel], table.edges[panel + 1]
    position = 2 * (frequency - low) / (high - low) - 1
    return _Bins(spectrum[0] / n, panel.int(), position.to(_COMPLEX.to_real()))


def _velocity(bins: _Bins, item: Item, table: _Filter, out: torch.Tensor) -> None:
    """Compute eq. (M1) for pairs of channels: even + i·odd, into ``out`` of shape (pairs, n)."""
    n = item.n
    channels = slice(2 * item.first_pair, 2 * (item.first_pair + item.n_pairs))
    rows = torch.zeros((item.n_pairs, padded_length(n, n)), dtype=_COMPLEX, device=out.device)
    _kernels(out.device).filter_pairs(
        table.polynomials[channels],
        table.n_panels[channels],
        bins.panel,
        bins.position,
        bins.spectrum,
        rows,
    )
    chirp_z(rows, n, n, 1, out)


@lru_cache(maxsize=2)
def _filter(rate: int, n_channels: int, params: CochleaParams, device: torch.device) -> _Filter:
    """Design the transfer function and copy it to the device."""
    coeffs = cochlea.design_basilar_membrane(rate, n_channels, None, params.basilar_membrane)
    parts = np.stack([coeffs.polynomials.real, coeffs.polynomials.imag], axis=2)
    odd = n_channels % 2
    return _Filter(
        torch.tensor(coeffs.edges, device=device),
        torch.from_numpy(np.pad(parts, [(0, odd), (0, 0), (0, 0), (0, 0)])).to(
            device, _COMPLEX.to_real()
        ),
        torch.from_numpy(np.pad(coeffs.n_panels, (0, odd)).astype(np.int32)).to(device),
    )


def _identity(items: list[Item], seeds: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the identity of each lane: Philox key, channel and two more words; int64, shape (4, lanes)."""
    columns = []
    for item in items:
        words = np.random.SeedSequence(list(seeds[item.clip])).generate_state(4).astype(np.uint64)
        lanes = np.empty((4, 2 * item.n_pairs), dtype=np.int64)
        lanes[0] = (words[0] | words[1] << np.uint64(32)).astype(np.int64)
        lanes[1] = np.arange(2 * item.first_pair, 2 * (item.first_pair + item.n_pairs))
        lanes[2:] = words[2:, None]
        columns.append(lanes)
    return torch.from_numpy(np.concatenate(columns, axis=1))


def _spike_keys(
    items: list[Item],
    p_fire: torch.Tensor,
    lengths: torch.Tensor,
    identity: torch.Tensor,
    rate: int,
    params: CochleaParams,
    n_channels: int,
) -> list[tuple[int, NDArray[np.int64]]]:
    """Run the bushy cells of a batch: clip, and sample·n_channels + channel of every spike, per item."""
    bushy = cochlea.design_bushy_cell(rate, params.bushy_cell)
    constants = torch.tensor(
        [bushy.decay_mem, bushy.decay_syn, bushy.gain], dtype=torch.float64, device=p_fire.device
    )
    spikes, counts = _kernels(p_fire.device).bushy_cells(
        p_fire, lengths, identity, constants, bushy.n_trains, bushy.n_dead, bushy.n_ref
    )
    channel = identity[1]
    counts = torch.where(channel < n_channels, counts, 0)  # drop the channel added as padding
    rows = torch.arange(spikes.shape[0], device=spikes.device)
    spiking = (rows < counts[:, None]).flatten()
    keys = (spikes.T.long() * n_channels + channel[:, None]).flatten()[spiking].cpu().numpy()
    per_lane = counts.cpu().numpy()
    ends = np.cumsum([2 * item.n_pairs for item in items])
    per_item = np.add.reduceat(per_lane, np.r_[0, ends[:-1]])
    split = np.split(keys, np.cumsum(per_item)[:-1])
    return [(item.clip, part) for item, part in zip(items, split, strict=True)]
