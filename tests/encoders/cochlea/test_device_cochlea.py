"""The cochlea on a device: the reference against the CPU's, Triton against the reference.

Nothing here needs a GPU but the tests marked so. Triton's kernels run in its interpreter, and its
compiler makes machine code for a GPU that is not there.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

import cochlea
from cochlea import PRESETS, BushyCellParams, CochleaParams, Spikes
from spikebench.encoders.cochlea import device_batches, reference
from spikebench.encoders.cochlea.chirp_z import chirp_z, padded_length
from spikebench.encoders.cochlea.device_cochlea import (
    P_FIRE_BOUND,
    encode_batch,
    encode_prepared,
    prepare,
    trace_batch,
)
from spikebench.encoders.device import find_device
from spikebench.errors import SpikebenchError

SHD = PRESETS["shd"]
LOUD = CochleaParams(level=1.0, ramp=0.002)  # many spikes in little time
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])


def recording(n: int, seed: int = 0) -> NDArray[np.float64]:
    """A noisy tone that grows."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return np.asarray((np.sin(t / 15) + 0.3 * rng.standard_normal(n)) * (t + 10))


def equal(one: Spikes, other: Spikes) -> bool:
    return np.array_equal(one.times, other.times) and np.array_equal(one.units, other.units)


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_padded_length_holds_the_convolution_and_little_more(n_in: int, n_out: int) -> None:
    need, length = n_in + n_out - 1, padded_length(n_in, n_out)
    assert need <= length <= max(1.2 * need, 8)


@pytest.mark.parametrize(("n_in", "n_out", "period"), [(1, 1, 1), (97, 97, 97), (4001, 2001, 4001)])
@pytest.mark.parametrize("sign", [-1, 1])
@devices
def test_chirp_z_is_the_fourier_transform(
    n_in: int, n_out: int, period: int, sign: int, device: str, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((3, n_in)) + 1j * rng.standard_normal((3, n_in))
    truth = np.fft.fft(x, axis=1) if sign < 0 else n_in * np.fft.ifft(x, axis=1)
    for dtype, bound in [(torch.complex128, 1e-13), (torch.complex64, 1e-5)]:
        rows = torch.zeros(3, padded_length(n_in, n_out), dtype=dtype, device=device)
        rows[:, :n_in] = torch.from_numpy(x)
        out = torch.empty(n_out, 3, dtype=dtype, device=device).T
        chirp_z(rows, n_in, period, sign, out)
        assert np.abs(out.cpu().numpy() - truth[:, :n_out]).max() < bound * np.sqrt(n_in)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers of Random123, by the authors of Philox
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0xA4093822, 0x299F31D0),
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox(key: tuple[int, int], counter: tuple[int, ...], expected: tuple[int, ...]) -> None:
    packed = np.array([key[0] | key[1] << 32], dtype=np.uint64).view(np.int64)
    words = reference.philox(torch.from_numpy(packed), torch.tensor(counter)[:, None])
    assert tuple(int(word) for word in words) == expected


def test_binomial_inverts_the_distribution_function(rng: np.random.Generator) -> None:
    u, p = rng.random(20_000), rng.random(20_000) ** 3
    a = rng.integers(0, 41, u.size)
    found = reference._binomial(*(torch.from_numpy(x) for x in (u, p, a))).numpy()
    rare = np.minimum(p, 1 - p)
    k = np.where(a == 0, 0, stats.binom.ppf(u, np.maximum(a, 1), rare))
    assert np.array_equal(found, np.where(p > 0.5, a - k, k))
    assert (p > 0.5).sum() > 1000


def test_binomial_at_its_ends() -> None:
    u = torch.tensor([2.0**-33, 0.5, 1 - 2.0**-33], dtype=torch.float64)
    for a in (0, 1, 40, reference.MAX_TRAINS):
        available = torch.full((3,), a)
        for p, expected in [(0.0, 0), (1.0, a), (2.5, a)]:
            events = reference._binomial(u, torch.full_like(u, p), available)
            assert events.tolist() == [expected] * 3
        middle = reference._binomial(u, torch.full_like(u, 0.5), available)
        assert abs(int(middle[1]) - a / 2) <= 0.5  # the median; nothing underflows


def run_bushy(
    p_fire: NDArray[np.float64], lanes: int, n_trains: int, n_dead: int, n_ref: int, *floats: float
) -> list[list[int]]:
    """Spikes of many lanes with one release probability, each lane a clip of its own."""
    identity = torch.arange(4 * lanes).reshape(4, lanes) * 7919
    spikes, counts = reference.bushy_cells(
        torch.from_numpy(p_fire)[:, None].expand(-1, lanes),
        torch.full((lanes,), p_fire.size, dtype=torch.int32),
        identity,
        torch.tensor(floats, dtype=torch.float64),
        *(n_trains, n_dead, n_ref),
    )
    return [spikes[: int(n), lane].tolist() for lane, n in enumerate(counts)]


def test_dead_time_is_kept() -> None:
    """One certain train: an event at once, then one every n_dead samples."""
    assert run_bushy(np.ones(50), 1, 1, 7, 1, 0.9, 0.0, 1.0) == [list(range(0, 49, 7))]


def test_cell_by_hand() -> None:
    """Events in every sample: threshold at once, spike one sample later at the previous index."""
    # s=0: v=1; s=1: spike at 0, refractory for s=1,2,3; s=4: v decays from 0, then 1; s=5: spike at 4
    assert run_bushy(np.ones(10), 1, 1, 1, 3, 0.9, 0.0, 1.0) == [[0, 4, 8]]


def windows(spikes: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array([np.bincount(np.array(one, int) // 60, minlength=10) for one in spikes])


def z_scores(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Two-sample z of the means and of the variances, column by column."""
    z = []
    for power in (1, 2):
        a = (one - one.mean(0)) ** 2 if power == 2 else one.astype(float)
        b = (other - other.mean(0)) ** 2 if power == 2 else other.astype(float)
        error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
        difference = a.mean(0) - b.mean(0)
        assert np.all(difference[error == 0] == 0)  # a window in which nothing is left to chance
        z.append(difference[error > 0] / error[error > 0])
    return np.concatenate(z)


@pytest.mark.parametrize("strength", [1.0, 6.0])
def test_bushy_cells_equal_those_of_the_cpu_in_distribution(strength: float) -> None:
    """Counts in ten windows, means and variances: the largest |z| of twenty."""
    p = strength * 0.01 * (0.6 + 0.5 * np.sin(np.arange(600) / 20))
    c = cochlea.design_bushy_cell(24000)

    def ours(weight: float) -> NDArray[np.int64]:
        floats = (c.decay_mem, c.decay_syn, c.gain * weight)
        return windows(run_bushy(p, 3000, c.n_trains, c.n_dead, c.n_ref, *floats))

    theirs = windows([cochlea.run_bushy_cell(p[None], c, seed)[0].tolist() for seed in range(3000)])
    assert np.abs(z_scores(ours(1.0), theirs)).max() < 3.9
    # The other direction: a weight wrong by 3 % shows.
    assert np.abs(z_scores(ours(1.03), theirs)).max() > 3.9


def test_hair_cells_equal_numba_bit_for_bit(rng: np.random.Generator) -> None:
    velocity = 200 * rng.standard_normal((5, 400))
    coeffs = cochlea.design_hair_cell(8000)  # a rate at which the pools are clipped
    signal = torch.from_numpy(velocity.T.copy())
    lengths = torch.tensor([400, 399, 1, 0, 77], dtype=torch.int32)
    constants = torch.tensor(dataclasses.astuple(coeffs), dtype=torch.float64)
    reference.hair_cells(signal, lengths, constants)
    expected = cochlea.run_hair_cell(velocity, coeffs)
    for lane, n in enumerate(lengths.tolist()):
        assert np.array_equal(signal[:n, lane].numpy(), expected[lane, :n])


def click() -> NDArray[np.float64]:
    """Nearly all energy in one sample: the largest velocities."""
    samples = np.zeros(4801)
    samples[2400] = 1.0
    return samples


@devices
@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize(
    ("samples", "rate"),
    [(recording(4801), 48000), (recording(2000), 16000), (click(), 48000), (np.ones(5), 48000)],
    ids=["48 kHz", "16 kHz", "click", "five samples"],
)
def test_p_fire_is_within_its_bound(
    device: str, preset: str, samples: NDArray[np.float64], rate: int
) -> None:
    (found,) = trace_batch([(samples, rate)], PRESETS[preset], 15, device)
    expected = cochlea.trace(samples, rate, preset, 15).p_fire
    assert found.shape == expected.shape
    # What is measured is a hundredth of what is promised; a tenth is asserted.
    assert np.abs(found - expected).max() < P_FIRE_BOUND / 10
    assert expected.max() > 100 * P_FIRE_BOUND


@devices
def test_spikes_equal_those_of_the_cpu_in_distribution(device: str) -> None:
    """Counts of each of seven channels over 150 seeds: the largest |z| of seven, and of their sum."""
    samples, n = recording(2400), 150
    found = encode_batch([(samples, 48000)] * n, [[9, i] for i in range(n)], LOUD, 7, device)
    ours = np.array([np.bincount(one.units, minlength=7) for one in found])
    theirs = np.array(
        [
            np.bincount(cochlea.encode(samples, 48000, LOUD, 7, i).units, minlength=7)
            for i in range(n)
        ]
    )
    for a, b in [(ours, theirs), (ours.sum(1), theirs.sum(1))]:
        error = np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / n)
        assert np.all(error > 0)
        assert np.abs((a.mean(0) - b.mean(0)) / error).max() < 3.9
    assert ours.sum() > 10 * n


@devices
def test_spikes_depend_on_neither_batch_nor_order_nor_memory(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_batches, "_TRANSFORM_BYTES", 100_000)  # several items per clip
    clips = [prepare(recording(n, n), 48000, LOUD) for n in (300, 151, 375)]
    seeds = [[1, 2**40], [2], [3, 4, 5]]
    together = encode_prepared(clips, seeds, LOUD, 9, device)
    assert sum(one.times.size for one in together) > 10
    one_by_one = encode_prepared(clips, seeds, LOUD, 9, device, budget=1)
    backwards = encode_prepared(clips[::-1], seeds[::-1], LOUD, 9, device)[::-1]
    alone = [
        encode_prepared([c], [s], LOUD, 9, device)[0] for c, s in zip(clips, seeds, strict=True)
    ]
    for others in (one_by_one, backwards, alone):
        assert all(equal(a, b) for a, b in zip(together, others, strict=True))
    other_seed = encode_prepared(clips, [[1, 2**40 + 1], [2], [3, 4, 5]], LOUD, 9, device)
    assert [equal(a, b) for a, b in zip(together, other_seed, strict=True)] == [False, True, True]


def test_spikes_are_ordered_on_the_grid_and_of_known_channels() -> None:
    """Rates differ, the number of channels is odd: still every clip has its own grid."""
    recordings = [(recording(800, 1), 16000), (recording(2001, 2), 48000)]
    found = encode_batch(recordings, [[1], [2]], PRESETS["lauscher"], 11, "cpu")
    for spikes, rate, n in zip(found, (8000, 24000), (401, 1001), strict=True):
        assert spikes.times.size > 0
        assert spikes.units.dtype == np.uint16
        assert int(spikes.units.max()) < 11
        assert_allclose(spikes.times * rate, np.round(spikes.times * rate), rtol=1e-12, atol=1e-9)
        assert float(spikes.times.max()) * rate < n
        order = np.lexsort((spikes.units, spikes.times))
        assert np.array_equal(order, np.arange(order.size))


def test_nothing_gives_nothing() -> None:
    assert encode_batch([], [], SHD, 7, "cpu") == []


def test_a_batch_too_large_for_the_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = [(recording(600, i), 48000) for i in range(5)]
    seeds = [[i] for i in range(5)]
    expected = encode_batch(recordings, seeds, SHD, 4, "cpu")
    run, widths = reference.hair_cells, []

    def small(signal: torch.Tensor, lengths: torch.Tensor, constants: torch.Tensor) -> None:
        widths.append(lengths.shape[0])
        if lengths.shape[0] > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        run(signal, lengths, constants)

    monkeypatch.setattr(reference, "hair_cells", small)
    found = encode_batch(recordings, seeds, SHD, 4, "cpu")
    assert widths == [20, 8, 4, 4, 12, 4, 8, 4, 4]
    assert all(equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_clip_too_large_for_the_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(reference, "hair_cells", none)
    with pytest.raises(SpikebenchError, match=r"not enough memory for 4 channels of a clip of 301"):
        encode_batch([(recording(600), 48000)], [[0]], SHD, 4, "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "cuda0", ""])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(SpikebenchError, match="unknown device"):
        find_device(name)


def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpikebenchError, match=r"device cuda: torch finds no CUDA device"):
        encode_batch([(recording(600), 48000)], [[0]], SHD, 4, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SpikebenchError, match=r"device cuda:1: there are only 1 CUDA devices"):
        find_device("cuda:1")


def test_triton_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "spikebench.encoders.cochlea.triton", raising=False)
    monkeypatch.delattr("spikebench.encoders.cochlea.triton", raising=False)
    with pytest.raises(SpikebenchError, match=r"Triton cannot be loaded.*pip install triton"):
        encode_batch([], [], SHD, 4, "cuda")


def test_bad_input_is_refused() -> None:
    good = (recording(600), 48000)
    with pytest.raises(ValueError, match="silent"):
        encode_batch([good, (np.zeros(600), 48000)], [[0], [1]], SHD, 4, "cpu")
    with pytest.raises(ValueError, match="too short"):
        prepare([1.0, 2.0, 3.0], 48000, SHD)
    with pytest.raises(ValueError, match="2 recordings need as many seeds, got 1"):
        encode_batch([good, good], [[0]], SHD, 4, "cpu")
    for n_channels in (0, 2**16 + 1):
        with pytest.raises(ValueError, match="n_channels must be in 1"):
            encode_batch([good], [[0]], SHD, n_channels, "cpu")
    many = CochleaParams(bushy_cell=BushyCellParams(n_trains=1001))
    with pytest.raises(
        SpikebenchError, match="1001 release trains: a device supports at most 1000"
    ):
        encode_batch([good], [[0]], many, 4, "cpu")


@needs_triton
def test_triton_interpreted_equals_the_reference() -> None:
    script = ROOT / "tests" / "helpers" / "interpreted_kernels.py"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr


POINTERS = {
    "_hair_kernel": "signal:*fp32 lengths:*i32 constants:*fp64",
    "_bushy_kernel": "p_fire:*fp32 lengths:*i32 identity:*i64 constants:*fp64 returning:*i32 "
    "spikes:*i32 counts:*i32",
    "_filter_kernel": "polynomials:*fp32 n_panels:*i32 panels:*i32 positions:*fp32 spectrum:*fp32 "
    "out:*fp32",
}
CONSTANTS = {"LANES": 32, "TRAIN_BITS": 6, "BINS": 128, "n_powers": 16}


@needs_triton
@pytest.mark.parametrize("name", list(POINTERS))
def test_triton_compiles_and_fuses_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machine code for compute capability 9.0, which needs no GPU; equal bits need unfused arithmetic."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from spikebench.encoders.cochlea import triton as kernels

    kernel = getattr(kernels, name)
    pointers = dict(item.split(":") for item in POINTERS[name].split())
    signature = {
        argument: "constexpr" if argument in CONSTANTS else pointers.get(argument, "i32")
        for argument in kernel.arg_names
    }
    constants = {key: value for key, value in CONSTANTS.items() if key in signature}
    compiled = triton.compile(
        ASTSource(fn=kernel, signature=signature, constexprs=constants),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": 1, "enable_fp_fusion": False},
    )
    assert len(compiled.asm["cubin"]) > 1000
    assert "fma." not in compiled.asm["ptx"]


@needs_gpu
@needs_triton
def test_triton_on_a_gpu_equals_the_reference_bit_for_bit(rng: np.random.Generator) -> None:
    from spikebench.encoders.cochlea import triton as kernels

    lengths = torch.tensor([900, 0, 613, 899] * 20, dtype=torch.int32)
    valid = torch.arange(900)[:, None] < lengths
    hair = cochlea.design_hair_cell(24000)
    constants = torch.tensor(dataclasses.astuple(hair), dtype=torch.float64)
    p_fire = torch.from_numpy(200 * rng.standard_normal((900, 80))).float()
    on_gpu = p_fire.cuda()
    reference.hair_cells(p_fire, lengths, constants)
    kernels.hair_cells(on_gpu, lengths.cuda(), constants.cuda())
    assert torch.equal(on_gpu.cpu()[valid], p_fire[valid])
    p_fire *= 3
    identity = torch.from_numpy(rng.integers(0, 2**32, (4, 80)))
    floats = torch.tensor([0.96, 0.92, 0.0135], dtype=torch.float64)
    spikes, counts = reference.bushy_cells(p_fire, lengths, identity, floats, 40, 24, 24)
    gpu_spikes, gpu_counts = kernels.bushy_cells(
        p_fire.cuda(), lengths.cuda(), identity.cuda(), floats.cuda(), 40, 24, 24
    )
    assert counts.sum() > 100
    assert torch.equal(gpu_counts.cpu(), counts)
    listed = torch.arange(spikes.shape[0])[:, None] < counts
    assert torch.equal(gpu_spikes.cpu()[listed], spikes[listed])
