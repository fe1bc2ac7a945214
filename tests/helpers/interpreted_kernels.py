"""The Triton kernels in Triton's interpreter against their references: run as a program, fails by itself.

TRITON_INTERPRET=1 python tests/helpers/interpreted_kernels.py
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

import cochlea
from spikebench.encoders.cochlea import device_cochlea, reference
from spikebench.encoders.cochlea import triton as kernels

LENGTHS = torch.tensor([23, 18, 0, 1, 12, 9, 23] * 5, dtype=torch.int32)  # 35 lanes: two programs
SHAPE = (23, LENGTHS.shape[0])


def main() -> None:
    """Compare every kernel."""
    rng = np.random.default_rng(3)
    valid = torch.arange(SHAPE[0])[:, None] < LENGTHS
    for dtype in (torch.float32, torch.float64):
        velocity = torch.from_numpy(200 * rng.standard_normal(SHAPE)).to(dtype)
        hair = cochlea.design_hair_cell(24000)
        constants = torch.tensor(dataclasses.astuple(hair), dtype=torch.float64)
        expected, found = velocity.clone(), velocity.clone()
        reference.hair_cells(expected, LENGTHS, constants)
        kernels.hair_cells(found, LENGTHS, constants)
        assert torch.equal(found[valid], expected[valid])
        assert torch.equal(found[~valid], velocity[~valid])

    p_fire = torch.from_numpy(rng.random(SHAPE) * np.geomspace(1e-3, 1.5, SHAPE[1]))
    words = [rng.integers(-(2**63), 2**63 - 1, SHAPE[1]), rng.integers(0, 700, SHAPE[1])]
    identity = torch.from_numpy(np.stack([*words, *rng.integers(0, 2**32, (2, SHAPE[1]))]))
    for n_trains, n_dead, n_ref in [(40, 5, 3), (7, 1, 1)]:
        given = (p_fire, LENGTHS, identity, torch.tensor([0.96, 0.92, 0.1], dtype=torch.float64))
        spikes, counts = reference.bushy_cells(*given, n_trains, n_dead, n_ref)
        found_spikes, found_counts = kernels.bushy_cells(*given, n_trains, n_dead, n_ref)
        assert counts.sum() > 20
        assert torch.equal(found_counts, counts)
        listed = torch.arange(spikes.shape[0])[:, None] < counts
        assert torch.equal(found_spikes[listed], spikes[listed])

    for n in (300, 301):  # an even number has a bin that is its own partner
        polynomials = torch.from_numpy(rng.standard_normal((4, 3, 2, 16)))
        spectrum = torch.from_numpy(rng.standard_normal((n, 2)) @ [1, 1j])
        panel = torch.from_numpy(np.sort(rng.integers(0, 3, n)).astype(np.int32))
        position = torch.from_numpy(rng.uniform(-1, 1, n))
        n_panels = torch.tensor([3, 2, 1, 0], dtype=torch.int32)
        outs = [torch.zeros(2, n + 50, dtype=torch.complex128) for _ in range(2)]
        for module, out in zip((reference, kernels), outs, strict=True):
            module.filter_pairs(polynomials, n_panels, panel, position, spectrum, out)
        assert float(outs[0].abs().max()) > 1
        torch.testing.assert_close(outs[1], outs[0], rtol=1e-13, atol=1e-13)

    params = cochlea.PRESETS["lauscher"]
    recordings = [(np.sin(np.arange(160) / 3), 16000), (rng.standard_normal(90), 16000)]
    expected_spikes = device_cochlea.encode_batch(recordings, [[1], [2]], params, 3, "cpu")
    device_cochlea._kernels = lambda device: kernels  # type: ignore[assignment]
    found = device_cochlea.encode_batch(recordings, [[1], [2]], params, 3, "cpu")
    assert sum(one.times.size for one in found) > 0
    for one, other in zip(found, expected_spikes, strict=True):
        assert np.array_equal(one.times, other.times)
        assert np.array_equal(one.units, other.units)


if __name__ == "__main__":
    main()
    print("equal")
