"""The three loops of the cochlea as Triton kernels.

The functions compute the same as those of :mod:`spikebench.encoders.cochlea.reference`, with the same signatures, on a
CUDA device (or in Triton's interpreter, for tests).

Hair and bushy cells run one lane per thread and one warp per program: a lane is a chain of dependent
steps, so all parallelism is across lanes. All state is float64, and multiplications and additions are not
fused: a lane has the same bits here, in the reference and, for the hair cell, in numba. Constants are passed
in a tensor, because Triton converts Python floats to float32.
"""
# Triton has no type annotations and is not installed on every system.
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import torch
import triton
import triton.language as tl

__all__ = ["bushy_cells", "filter_pairs", "hair_cells"]

_WARP = 32
_BINS = 128  # bins of a filter program, one per thread of four warps


def filter_pairs(
    polynomials: torch.Tensor,
    n_panels: torch.Tensor,
    panel: torch.Tensor,
    position: torch.Tensor,
    spectrum: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """See :func:`spikebench.encoders.cochlea.reference.filter_pairs`; the rows of ``out`` are contiguous."""
    n = spectrum.shape[0]
    grid = (triton.cdiv(n // 2 + 1, _BINS), out.shape[0])
    _filter_kernel[grid](
        polynomials,
        n_panels,
        panel,
        position,
        torch.view_as_real(spectrum),
        torch.view_as_real(out),
        n,
        out.stride(0),
        polynomials.shape[1],
        polynomials.shape[3],
        BINS=_BINS,
        num_warps=4,
        enable_fp_fusion=False,
    )


@triton.jit
def _filtered(
    polynomials: tl.tensor,
    n_panels: tl.tensor,
    panels: tl.tensor,
    positions: tl.tensor,
    spectrum: tl.tensor,
    channel: tl.tensor,
    k: tl.tensor,
    inside: tl.tensor,
    panels_in_table: tl.tensor,
    n_powers: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Y = V·X of one channel at bins k."""
    panel = tl.load(panels + k, mask=inside, other=0)
    x = tl.load(positions + k, mask=inside, other=0.0)
    at = polynomials + (channel.to(tl.int64) * panels_in_table + panel) * (2 * n_powers)
    matters = inside & (panel < tl.load(n_panels + channel))
    re = tl.load(at + (n_powers - 1), mask=matters, other=0.0)
    im = tl.load(at + (2 * n_powers - 1), mask=matters, other=0.0)
    for down in tl.static_range(1, n_powers):
        re = re * x + tl.load(at + (n_powers - 1 - down), mask=matters, other=0.0)
        im = im * x + tl.load(at + (2 * n_powers - 1 - down), mask=matters, other=0.0)
    x_re = tl.load(spectrum + 2 * k, mask=inside, other=0.0)
    x_im = tl.load(spectrum + 2 * k + 1, mask=inside, other=0.0)
    return re * x_re - im * x_im, re * x_im + im * x_re


@triton.jit
def _filter_kernel(
    polynomials: tl.tensor,
    n_panels: tl.tensor,
    panels: tl.tensor,
    positions: tl.tensor,
    spectrum: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    stride: tl.tensor,
    panels_in_table: tl.tensor,
    n_powers: tl.constexpr,
    BINS: tl.constexpr,
) -> None:
    pair = tl.program_id(1)
    k = tl.program_id(0) * BINS + tl.arange(0, BINS)
    inside = k <= n // 2
    partner = tl.where(k == 0, 0, n - k)
    even_re, even_im = _folded(
        polynomials, n_panels, panels, positions, spectrum,
        2 * pair, k, partner, inside, panels_in_table, n_powers,
    )  # fmt: skip
    odd_re, odd_im = _folded(
        polynomials, n_panels, panels, positions, spectrum,
        2 * pair + 1, k, partner, inside, panels_in_table, n_powers,
    )  # fmt: skip
    row = out + 2 * pair.to(tl.int64) * stride
    tl.store(row + 2 * k, even_re - odd_im, mask=inside)  # F_even + i·F_odd
    tl.store(row + 2 * k + 1, even_im + odd_re, mask=inside)
    # Bin n − k holds the conjugates of both; bins that are their own partner are already written.
    other = inside & (partner > k)
    tl.store(row + 2 * partner, even_re + odd_im, mask=other)
    tl.store(row + 2 * partner + 1, odd_re - even_im, mask=other)


@triton.jit
def _folded(
    polynomials: tl.tensor,
    n_panels: tl.tensor,
    panels: tl.tensor,
    positions: tl.tensor,
    spectrum: tl.tensor,
    channel: tl.tensor,
    k: tl.tensor,
    partner: tl.tensor,
    inside: tl.tensor,
    panels_in_table: tl.tensor,
    n_powers: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """F = (Y_k + conj Y_(n−k))/2 of one channel."""
    re, im = _filtered(
        polynomials, n_panels, panels, positions, spectrum,
        channel, k, inside, panels_in_table, n_powers,
    )  # fmt: skip
    partner_re, partner_im = _filtered(
        polynomials, n_panels, panels, positions, spectrum,
        channel, partner, inside, panels_in_table, n_powers,
    )  # fmt: skip
    return (re + partner_re) * 0.5, (im - partner_im) * 0.5


def hair_cells(signal: torch.Tensor, lengths: torch.Tensor, constants: torch.Tensor) -> None:
    """See :func:`spikebench.encoders.cochlea.reference.hair_cells`."""
    n_lanes = lengths.shape[0]
    _hair_kernel[(triton.cdiv(n_lanes, _WARP),)](
        signal, lengths, constants, n_lanes, LANES=_WARP, num_warps=1, enable_fp_fusion=False
    )


@triton.jit
def _hair_kernel(
    signal: tl.tensor,
    lengths: tl.tensor,
    constants: tl.tensor,
    n_lanes: tl.tensor,
    LANES: tl.constexpr,
) -> None:
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    length = tl.load(lengths + lane, mask=lane < n_lanes, other=0)
    offset = tl.load(constants)
    scale = tl.load(constants + 1)
    pool_size = tl.load(constants + 2)
    replenish = tl.load(constants + 3)
    release = tl.load(constants + 4)
    loss_and_reuptake = tl.load(constants + 5)
    reuptake = tl.load(constants + 6)
    reprocess = tl.load(constants + 7)
    firing = tl.load(constants + 8)
    zero = tl.zeros((LANES,), tl.float64)
    q = zero + tl.load(constants + 9)
    c = zero + tl.load(constants + 10)
    w = zero + tl.load(constants + 11)
    at = signal + lane
    for group in range(tl.cdiv(tl.max(length, 0), 4)):
        left = length - 4 * group
        v_0, v_1, v_2, v_3 = _four(at, n_lanes, left)
        for part in tl.static_range(4):
            if part == 0:
                v = v_0
            elif part == 1:
                v = v_1
            elif part == 2:
                v = v_2
            else:
                v = v_3
            drive = v + offset
            k = tl.where(drive > 0.0, release * drive / (drive + scale), 0.0)  # eq. (H1)
            supply = tl.where(q < pool_size, replenish * (pool_size - q), 0.0)  # eq. (H2)
            eject = k * q  # eq. (H3)
            back = reprocess * w
            q_new = q + supply - eject + back  # eq. (H4)
            c_new = c + eject - loss_and_reuptake * c  # eq. (H5)
            w_new = w + reuptake * c - back  # eq. (H6)
            q = tl.maximum(q_new, 0.0)
            c = tl.maximum(c_new, 0.0)
            w = tl.maximum(w_new, 0.0)
            tl.store(at, firing * c, mask=part < left)  # eq. (H7)
            at += n_lanes


@triton.jit
def _four(
    at: tl.tensor, n_lanes: tl.tensor, left: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Load four samples of each lane, 0 past its end, at once, so that four steps share one memory latency."""
    return (
        tl.load(at, mask=left > 0, other=0.0).to(tl.float64),
        tl.load(at + n_lanes, mask=left > 1, other=0.0).to(tl.float64),
        tl.load(at + 2 * n_lanes, mask=left > 2, other=0.0).to(tl.float64),
        tl.load(at + 3 * n_lanes, mask=left > 3, other=0.0).to(tl.float64),
    )


def bushy_cells(
    p_fire: torch.Tensor,
    lengths: torch.Tensor,
    identity: torch.Tensor,
    constants: torch.Tensor,
    n_trains: int,
    n_dead: int,
    n_ref: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See :func:`spikebench.encoders.cochlea.reference.bushy_cells`."""
    n_lanes = lengths.shape[0]
    returning = torch.zeros(n_dead, n_lanes, dtype=torch.int32, device=lengths.device)
    spikes = torch.empty(
        p_fire.shape[0] // n_ref + 2, n_lanes, dtype=torch.int32, device=lengths.device
    )
    counts = torch.empty_like(lengths)
    _bushy_kernel[(triton.cdiv(n_lanes, _WARP),)](
        p_fire,
        lengths,
        identity,
        constants,
        returning,
        spikes,
        counts,
        n_lanes,
        n_trains,
        n_dead,
        n_ref,
        TRAIN_BITS=n_trains.bit_length(),
        LANES=_WARP,
        num_warps=1,
        enable_fp_fusion=False,
    )
    return spikes, counts


@triton.jit
def _bushy_kernel(
    p_fire: tl.tensor,
    lengths: tl.tensor,
    identity: tl.tensor,
    constants: tl.tensor,
    returning: tl.tensor,
    spikes: tl.tensor,
    counts: tl.tensor,
    n_lanes: tl.tensor,
    n_trains: tl.tensor,
    n_dead: tl.tensor,
    n_ref: tl.tensor,
    TRAIN_BITS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = lane < n_lanes
    length = tl.load(lengths + lane, mask=inside, other=0)
    key = tl.load(identity + lane, mask=inside, other=0)
    channel = tl.load(identity + n_lanes + lane, mask=inside, other=0).to(tl.int32)
    id_2 = tl.load(identity + 2 * n_lanes + lane, mask=inside, other=0).to(tl.int32)
    id_3 = tl.load(identity + 3 * n_lanes + lane, mask=inside, other=0).to(tl.int32)
    decay_mem = tl.load(constants)
    decay_syn = tl.load(constants + 1)
    gain = tl.load(constants + 2)
    none = tl.zeros((LANES,), tl.int32)
    available = none + n_trains
    ready = none
    count = none
    v = tl.zeros((LANES,), tl.float64)
    i = tl.zeros((LANES,), tl.float64)
    at = p_fire + lane
    n = tl.max(length, 0)
    for group in range(tl.cdiv(n, 4)):
        word_0, word_1, word_2, word_3 = tl.philox(key, none + group, channel, id_2, id_3)
        p_0, p_1, p_2, p_3 = _four(at, n_lanes, length - 4 * group)
        at += 4 * n_lanes
        for part in tl.static_range(4):
            if part == 0:
                word, p = word_0, p_0
            elif part == 1:
                word, p = word_1, p_1
            elif part == 2:
                word, p = word_2, p_2
            else:
                word, p = word_3, p_3
            s = 4 * group + part
            valid = s < length
            u = (word.to(tl.float64) + 0.5) * 2.3283064365386963e-10  # 2⁻³²
            slot = returning + (s % n_dead) * n_lanes + lane
            available += tl.load(slot, mask=inside, other=0)
            events = _binomial(u, p, available, TRAIN_BITS)
            available -= events
            tl.store(slot, events, mask=inside)
            # Triton chooses the layouts: a thread may load a value that another thread of the warp stored.
            tl.debug_barrier()
            awake = s >= ready
            fired = awake & (v >= 1.0) & valid  # eq. (B4)
            v = tl.where(fired, 0.0, tl.where(awake, v * decay_mem, v))
            ready = tl.where(fired, s + n_ref, ready)
            tl.store(spikes + count.to(tl.int64) * n_lanes + lane, none + (s - 1), mask=fired)
            count += fired.to(tl.int32)
            i = i * decay_syn + events.to(tl.float64)  # eq. (B5)
            v = tl.where(s >= ready, tl.minimum(v + gain * i, 1.0), v)  # eq. (B6)
    tl.store(counts + lane, count, mask=inside)


@triton.jit
def _binomial(
    u: tl.tensor, p: tl.tensor, available: tl.tensor, TRAIN_BITS: tl.constexpr
) -> tl.tensor:
    """Invert the distribution function of Binomial(available, p) at u, eqs. (D1), (D2)."""
    often = p > 0.5
    rare = tl.maximum(tl.where(often, 1.0 - p, p), 0.0)
    rest = 1.0 - rare
    f = rest * 0.0 + 1.0
    power = rest
    for bit in tl.static_range(TRAIN_BITS):
        f = tl.where((available >> bit) & 1 == 1, f * power, f)
        power = power * power
    odds = rare / rest
    total = f
    k = available * 0
    more = (u >= total) & (k < available)
    while tl.max(more.to(tl.int32), 0) > 0:
        f = tl.where(more, f * (available - k).to(tl.float64) / (k + 1).to(tl.float64) * odds, f)
        total = tl.where(more, total + f, total)
        k += more.to(tl.int32)
        more = (u >= total) & (k < available)
    return tl.where(often, available - k, k)
