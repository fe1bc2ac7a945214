"""The compiled loops of the event-driven kernels against the same loops uncompiled, and one by one."""

from __future__ import annotations

from dataclasses import replace

import kernel_cases
import numpy as np
import pytest
import torch
from kernel_cases import Case, counts_of, random_events

from spikebench.kernels import cpu, cpu_loops, operators
from spikebench.kernels.neuron import RESETS, SURROGATES, Neuron
from spikebench.kernels.scan import REDUCTIONS

COMPILED = [name for name, loop in vars(cpu_loops).items() if hasattr(loop, "py_func")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reset", RESETS)
def test_compiled_loops_do_what_the_same_loops_do_uncompiled(
    dtype: torch.dtype, reset: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    events = random_events(rng, 3, 6, 4, "binary")
    numbers = {
        "weight": rng.normal(0.5, 2, (2, 4, 5)),
        "recurrent": rng.normal(0, 0.5, (2, 5, 5)),
        "decay_syn": rng.uniform(0.2, 0.9, 5),
        "decay_mem": rng.uniform(0.2, 0.9, 5),
        "rho": rng.uniform(0.2, 0.9, 5),
        "a": rng.uniform(0, 1, 5),
        "b": rng.uniform(0, 1, 5),
    }
    out = torch.from_numpy(rng.normal(size=(5, 3))).to(dtype)
    neuron = Neuron(reset=reset, reset_in_graph=True, refractory_steps=int(reset == "zero"))

    def everything() -> list[torch.Tensor]:
        leaves = {
            name: torch.from_numpy(array).to(dtype).requires_grad_()
            for name, array in numbers.items()
        }
        case = Case(events, neuron, leaves)
        spikes = case.scan(operators).spikes
        again = operators.event_linear(spikes, torch.ones(5, 2, dtype=dtype).cumsum(0))
        decay = torch.tensor(0.5, dtype=dtype)
        traces = [
            operators.leaky_readout(spikes, out.requires_grad_(), decay, reduction)
            for reduction in REDUCTIONS
        ]
        loss = sum(trace.square().sum() for trace in (again, *traces))
        scan = case.scan(operators, from_currents=True)
        assert scan.membranes is not None
        loss = loss + scan.membranes.square().sum()
        grads = torch.autograd.grad(loss, [*leaves.values(), out])
        return [scan.membranes, scan.state, scan.spikes.bins, scan.spikes.units, *traces, *grads]

    compiled = everything()
    for name in COMPILED:
        monkeypatch.setattr(cpu_loops, name, getattr(cpu_loops, name).py_func)
    assert {"scan_forward", "scan_backward", "surrogate_rows"} < set(COMPILED)
    for found, expected in zip(everything(), compiled, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_surrogate_loops_do_what_the_docstring_says(name: str, dtype: type) -> None:
    neuron = Neuron(surrogate=name, slope=3.0, threshold=1.5)
    mem = np.concatenate([np.linspace(-4, 6, 101), [1.5, 1e4, -1e4]]).astype(dtype)
    one, found = dtype(1), np.empty_like(mem)
    args = (mem, dtype(1.5), dtype(3), one, SURROGATES[name])
    cpu_loops.surrogate_rows(*args, found)
    expected = kernel_cases.surrogate(mem.astype(float) - 1.5, neuron)
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert found[-3] == pytest.approx(1.0, rel=tolerance)
    plain = np.empty_like(mem)
    cpu_loops.surrogate_rows.py_func(*args, plain)
    np.testing.assert_allclose(plain, found, rtol=tolerance, atol=tolerance)


def test_counting_cells_of_a_binary_batch_leaves_the_first(rng: np.random.Generator) -> None:
    events = random_events(rng, 5, 4, 3)
    cells = cpu.first_in_cell(events.offsets, events.bins, events.units, 3)
    assert cells[1].numel() < events.bins.numel()
    left = replace(events, offsets=cells[0], bins=cells[1], units=cells[2])
    assert np.array_equal(counts_of(left), np.minimum(counts_of(events), 1))
