"""The three loops of the cochlea on a device in plain PyTorch.

They are slow and run on any device: the reference for :mod:`spikebench.encoders.cochlea.triton`.

A *lane* is one channel of one clip. Signals of a batch have shape (samples, lanes), time first, so that
neighbouring lanes are neighbours in memory; a lane is valid up to its length, the rest is padding.
The arithmetic of a lane does not depend on the rest of the batch.

Releases: the number of events in a sample is Binomial(available, p) exactly. It is drawn by inversion
from one uniform u, with the rarer of release and failure counted so that nothing underflows::

    r = min(p, 1 − p);  f_0 = (1 − r)^a;  f_(k+1) = f_k·(a − k)/(k + 1)·r/(1 − r)      (D1)
    K = #{ k < a : u ≥ f_0 + … + f_k };  events = K if p ≤ 1/2 else a − K              (D2)

u is drawn by Philox 4×32-10, a stateless function of key and counter: word ``s mod 4`` of counter
(⌊s/4⌋, channel, id₂, id₃) under key (id₀, id₁), where id is the clip's identity; u = (word + ½)·2⁻³².

Sources: Salmon, Moraes, Dror, Shaw (2011), SC11, doi 10.1145/2063384.2063405 (Philox); the other
equations in :mod:`cochlea.hair_cell` and :mod:`cochlea.bushy_cell`.
"""

from __future__ import annotations

import torch

__all__ = ["MAX_TRAINS", "bushy_cells", "filter_pairs", "hair_cells", "philox"]

MAX_TRAINS = 1000  # (1/2)^a of eq. (D1) must stay above the smallest float64

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


def filter_pairs(
    polynomials: torch.Tensor,
    n_panels: torch.Tensor,
    panel: torch.Tensor,
    position: torch.Tensor,
    spectrum: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """Multiply a spectrum by V, keep the part of real signals, and pack two channels into one.

    ``F_k = (Y_k + conj Y_(n−k))/2`` with ``Y = V·X`` has a real inverse transform, the real part of
    that of Y. In the inverse transform of ``F_even + i·F_odd``, the real part is the signal of the even channel and
    the imaginary part that of the odd channel.

    Parameters
    ----------
    polynomials
        V on panels, shape (channels, panels, 2, powers), real; the third axis is real and imaginary
        part, powers ascend. An even number of channels.
    n_panels
        Number of panels used by each channel, int32, shape (channels,); V is 0 above them.
    panel, position
        Panel of each bin, int32, and the bin's position in it, −1 … 1; shape (n,).
    spectrum
        X, complex, shape (n,).
    out
        Complex, shape (channels / 2, at least n); its first n columns are written.
    """
    n = spectrum.shape[0]
    v = polynomials[:, panel, :, -1]  # (channels, n, 2)
    for power in range(polynomials.shape[3] - 2, -1, -1):
        v = v * position[:, None] + polynomials[:, panel, :, power]
    matters = panel[None] < n_panels[:, None]
    y = torch.where(matters, torch.view_as_complex(v.contiguous()) * spectrum, 0.0)
    partner = torch.roll(y.flip(1), 1, 1)
    folded = (y + partner.conj()) / 2
    out[:, :n] = folded[0::2] + 1j * folded[1::2]


def hair_cells(signal: torch.Tensor, lengths: torch.Tensor, constants: torch.Tensor) -> None:
    """Compute release probability from velocity, in place, eqs. (H1)–(H7).

    Parameters
    ----------
    signal
        Velocity, shape (samples, lanes); ``p_fire`` afterwards.
    lengths
        Samples of each lane, int32, shape (lanes,).
    constants
        The fields of ``HairCellCoeffs`` in order, float64, shape (12,).
    """
    offset, scale, pool_size, replenish, release, loss_and_reuptake = constants[:6]
    reuptake, reprocess, firing, q_rest, c_rest, w_rest = constants[6:]
    shape = lengths.shape
    q, c, w = q_rest.expand(shape), c_rest.expand(shape), w_rest.expand(shape)
    for s in range(int(lengths.max())):
        drive = signal[s].to(torch.float64) + offset
        k = torch.where(drive > 0, release * drive / (drive + scale), 0.0)  # eq. (H1)
        supply = torch.where(q < pool_size, replenish * (pool_size - q), 0.0)  # eq. (H2)
        eject = k * q  # eq. (H3)
        back = reprocess * w
        q_new = q + supply - eject + back  # eq. (H4)
        c_new = c + eject - loss_and_reuptake * c  # eq. (H5)
        w_new = w + reuptake * c - back  # eq. (H6)
        q, c, w = q_new.clamp(min=0), c_new.clamp(min=0), w_new.clamp(min=0)
        signal[s] = torch.where(s < lengths, firing * c, 0.0)  # eq. (H7)


def bushy_cells(
    p_fire: torch.Tensor,
    lengths: torch.Tensor,
    identity: torch.Tensor,
    constants: torch.Tensor,
    n_trains: int,
    n_dead: int,
    n_ref: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the releases, eqs. (D1), (D2), and compute the spikes of the cells, eqs. (B4)–(B6).

    Parameters
    ----------
    p_fire
        Release probability, shape (samples, lanes).
    lengths
        Samples of each lane, int32, shape (lanes,).
    identity
        Identity of each lane, int64, shape (4, lanes): Philox key, channel, id₂, id₃.
    constants
        Decay of membrane and of synapse, gain; float64, shape (3,).
    n_trains, n_dead, n_ref
        Release trains, at most :data:`MAX_TRAINS`; dead and refractory time in samples.

    Returns
    -------
    spikes : tensor of int32, shape (maximum number of spikes of a lane, lanes)
        Sample of each spike, ascending; entries after a lane's last spike are undefined.
    counts : tensor of int32, shape (lanes,)
        Number of spikes of each lane.
    """
    decay_mem, decay_syn, gain = constants
    lanes = torch.arange(lengths.shape[0], device=lengths.device)
    returning = torch.zeros(n_dead, lanes.shape[0], dtype=torch.int32, device=lanes.device)
    spikes = torch.zeros(
        p_fire.shape[0] // n_ref + 2, lanes.shape[0], dtype=torch.int32, device=lanes.device
    )
    counts, ready = torch.zeros_like(lengths), torch.zeros_like(lengths)
    available = torch.full_like(lengths, n_trains)
    v = torch.zeros(lanes.shape, dtype=torch.float64, device=lanes.device)
    i = torch.zeros_like(v)
    words: list[torch.Tensor] = []
    for s in range(int(lengths.max())):
        if s % 4 == 0:
            counter = torch.stack([torch.full_like(identity[0], s // 4), *identity[1:]])
            words = philox(identity[0], counter)
        u = (words[s % 4].to(torch.float64) + 0.5) * 2.0**-32
        available = available + returning[s % n_dead]
        events = _binomial(u, p_fire[s].to(torch.float64), available)
        available = available - events
        returning[s % n_dead] = events
        fired = (s >= ready) & (v >= 1) & (s < lengths)  # eq. (B4)
        v = torch.where(fired, 0.0, torch.where(s >= ready, v * decay_mem, v))
        ready = torch.where(fired, s + n_ref, ready)
        spikes[counts[fired], lanes[fired]] = s - 1
        counts = counts + fired.int()
        i = i * decay_syn + events  # eq. (B5)
        v = torch.where(s >= ready, torch.clamp(v + gain * i, max=1), v)  # eq. (B6)
    return spikes, counts


def _binomial(u: torch.Tensor, p: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
    """Invert the distribution function of Binomial(available, p) at u, eqs. (D1), (D2)."""
    often = p > 0.5
    rare = torch.clamp(torch.where(often, 1.0 - p, p), min=0)
    rest = 1.0 - rare
    f = torch.ones_like(u)
    power = rest
    for bit in range(int(available.max()).bit_length()):
        f = torch.where(available // 2**bit % 2 == 1, f * power, f)
        power = power * power
    odds = rare / rest
    total = f
    k = torch.zeros_like(available)
    while bool((more := (u >= total) & (k < available)).any()):
        f = torch.where(more, f * (available - k) / (k + 1) * odds, f)
        total = torch.where(more, total + f, total)
        k = k + more.int()
    return torch.where(often, available - k, k)


def philox(key: torch.Tensor, counter: torch.Tensor) -> list[torch.Tensor]:
    """Compute Philox 4×32-10.

    Parameters
    ----------
    key
        int64, shape (lanes,), the first word in the low half.
    counter
        int64, shape (4, lanes), each below 2³².

    Returns
    -------
    list of tensors of int64, shape (lanes,)
        The four words, 0 … 2³² − 1.
    """
    k0, k1 = key & _WORD, key >> 32 & _WORD
    c0, c1, c2, c3 = counter
    for _ in range(10):
        # A product of two words has 64 bits, all of which int64 holds; the top one is its sign.
        low, high = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (high >> 32 & _WORD) ^ c1 ^ k0, high & _WORD
        c2, c3 = (low >> 32 & _WORD) ^ c3 ^ k1, low & _WORD
        k0, k1 = k0 + _WEYL[0] & _WORD, k1 + _WEYL[1] & _WORD
    return [c0, c1, c2, c3]
