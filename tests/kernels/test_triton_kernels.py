"""The kernels of networks for a GPU: in Triton's interpreter, compiled for a GPU that is not there, and on one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from helpers.interpreted_scans import (
    compare_events,
    compare_gradients,
    compare_readouts,
    compare_scans,
    events_of,
    settings,
    state_of,
)

from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.neuron import (
    ADAPTIVE,
    EQUATIONS,
    LEAKY,
    RESETS,
    Adaptation,
    Neuron,
    Settings,
)
from spikebench.kernels.scan import REDUCTIONS, Layer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)


@needs_triton
@pytest.mark.parametrize(
    "part",
    [
        "sample",
        pytest.param("functions", marks=pytest.mark.slow),
        pytest.param("networks", marks=pytest.mark.slow),
    ],
)
def test_triton_interpreted_equals_the_cpu_and_the_reference(part: str) -> None:
    script = ROOT / "tests" / "helpers" / "interpreted_scans.py"
    done = subprocess.run(
        [sys.executable, str(script), part],
        env={
            **os.environ,
            "TRITON_INTERPRET": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr


class Compiler:
    """Stands for a launch: makes machine code for compute capability 9.0 of what would be started, once each."""

    def __init__(self) -> None:
        self.compiled: dict[str, list[Any]] = {}
        self._known: set[str] = set()

    def __call__(
        self,
        kernel: Any,  # noqa: ANN401
        grid: tuple[int, ...],
        given: tuple[torch.Tensor, ...],
        outs: tuple[torch.Tensor, ...],
        *numbers: int,
        **options: Any,  # noqa: ANN401
    ) -> None:
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from triton.runtime.jit import mangle_type

        assert all(type(part) is int and part > 0 for part in grid)
        assert all(tensor.is_contiguous() for tensor in outs)
        assert all(type(number) is int for number in numbers)
        arguments = dict(zip(kernel.arg_names, (*given, *outs, *numbers), strict=False))
        names = [name for name in options if name in kernel.arg_names]
        assert list(kernel.arg_names) == [*arguments, *names]  # every argument, in its order
        signature, constants, attributes = {}, {}, {}
        for place, (name, value) in enumerate(arguments.items()):
            signature[name] = mangle_type(value)
            if isinstance(value, int) and value == 1:  # as Triton does
                signature[name], constants[name] = "constexpr", 1
            elif isinstance(value, torch.Tensor) or value % 16 == 0:
                attributes[(place,)] = [["tt.divisibility", 16]]
        for name in names:
            signature[name], constants[name] = "constexpr", options.pop(name)
        key = repr((kernel.__name__, signature, constants, attributes, options))
        if key in self._known:
            return
        self._known.add(key)
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
        machine_code = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        self.compiled.setdefault(kernel.__name__, []).append(machine_code)


@needs_triton
@pytest.mark.parametrize(
    ("dtype", "n", "n_steps"),
    [
        (torch.float32, 1024, 250),
        pytest.param(torch.float64, 20, 5, marks=pytest.mark.slow),
        pytest.param(torch.float32, 1, 1, marks=pytest.mark.slow),
    ],
    ids=["1024 units", "20 units in float64", "1 unit, 1 step"],
)
def test_all_that_is_launched_compiles(
    dtype: torch.dtype, n: int, n_steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from spikebench.kernels.triton import launch as kernels

    compiler = Compiler()
    monkeypatch.setattr(kernels, "_launch", compiler)
    batch, n_units = 2, 7
    cells = events_of(batch, n_steps, n_units, 10, 1)
    none = torch.empty(0, 0, 0, dtype=dtype)
    neurons = EQUATIONS
    if dtype == torch.float32:
        neurons = {type(None): LEAKY, Adaptation: ADAPTIVE}
    for kind, equations in neurons.items():
        n_rows = 1 if kind is type(None) else 1 + len(fields(kind))
        full, has_ad = equations == ADAPTIVE, equations != LEAKY
        n_taps = 3 if full else int(n > 1)
        late = None
        if full and dtype == torch.float64:  # recurrent delays
            n_taps, late = 2, torch.zeros(n, dtype=torch.int64)
        weight = torch.zeros(1, n_units, n, dtype=dtype)
        decay = torch.zeros(n, dtype=dtype)
        recurrent = torch.zeros(n_taps, n, n, dtype=dtype)
        parameters = torch.zeros(n_rows, n, dtype=dtype)
        state = state_of(batch, n_taps, n, dtype)
        layer = Layer(weight, decay, parameters, recurrent, late)
        settings = Settings(
            equations=equations,
            threshold=1.0,
            slope=4.0,
            reset=RESETS["subtract" if full else "zero"],
            reset_in_graph=full,
            surrogate=4 if full else 0,
        )
        kernels.scan(none, cells, layer, state, n_steps, settings, (True, full, has_ad))
        kept = torch.zeros(3, batch, n_steps, n, dtype=dtype).unbind()
        kept = (kept[0], kept[1] if full else none, kept[2] if has_ad else none)
        grads = (kept[0], kept[0] if full else none)
        given = (grads, kept, cells, cells, layer, state, settings)
        kernels.scan_backward(*given, (True, True, n_taps > 0))
    delayed = (*cells, weight[0], weight[0], 3)
    current = kernels.delayed_linear(*delayed, n_steps)
    kernels.delayed_linear_backward(*delayed, current, (True, True))
    out, start = torch.zeros(n_units, n, dtype=dtype), torch.zeros(batch, n, dtype=dtype)
    given = (*cells, out, decay, torch.ones(batch, dtype=torch.int64), start)
    for reduction in REDUCTIONS.values():
        for n_trace in (0, n_steps):
            _, trace, peaks = kernels.readout(*given, reduction, n_trace)
            kernels.readout_backward(*given, reduction, trace, trace, peaks, n_steps)
    assert sorted(compiler.compiled) == [
        *("add_currents", "add_delayed", "add_delayed_gradients", "add_delayed_spikes"),
        "add_weight_gradients",
        *("readout_backward", "readout_forward", "scan_backward", "scan_forward"),
    ]
    for variants in compiler.compiled.values():
        for variant in variants:
            assert len(variant.asm["cubin"]) > 1000
            assert variant.metadata.shared <= 48 * 1024  # which every GPU has
    assert len(compiler.compiled["scan_forward"]) == len(neurons)
    assert all("fma." not in one.asm["ptx"] for one in compiler.compiled["scan_forward"])


class OnGpu:
    """The kernels, with arguments and answers of a CPU."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        from spikebench.kernels.triton import launch as kernels

        function = getattr(kernels, name)

        def moved(value: Any, device: str) -> Any:  # noqa: ANN401
            if hasattr(value, "_make"):
                return value._make(moved(part, device) for part in value)
            if isinstance(value, tuple):
                return tuple(moved(part, device) for part in value)
            return value.to(device) if isinstance(value, torch.Tensor) else value

        return lambda *given: moved(function(*moved(given, "cuda")), "cpu")


@needs_gpu
@needs_triton
def test_functions_on_a_gpu_equal_those_of_the_cpu() -> None:
    torch.manual_seed(0)
    compare_events(OnGpu())
    compare_readouts(OnGpu())
    for n in (1, 20, 130):
        for n_taps, dtype in ((3, torch.float32), (1, torch.float64), (0, torch.float64)):
            compare_scans(OnGpu(), n, n_taps, dtype)


@needs_gpu
@needs_triton
@pytest.mark.parametrize("number", range(len(list(settings()))))  # compiled in several processes
def test_networks_on_a_gpu_equal_the_reference(number: int) -> None:
    setting = list(settings())[number]
    compare_gradients(*setting, device="cuda")
    compare_gradients(*setting, device="cuda", shape=(17, 20, 40, 20))


def compare_spikes(device: str, n_steps: int, n: int) -> int:
    """Spikes in float32 differ first where a membrane is at the threshold; how many there were."""
    batch, n_inputs = 16, 700
    generator = torch.Generator().manual_seed(1)
    weight = (torch.randn(n_inputs, n, generator=generator) / 4).to(device)
    recurrent = (torch.randn(n, n, generator=generator) / 4).to(device)
    cells = events_of(batch, n_steps, n_inputs, 64 * n_steps, 1)
    whole = torch.full((batch,), n_steps)
    events = EventBatch(*cells, whole, -whole, n_steps, n_inputs, 0.004, "counts").to(device)
    given = (*(torch.tensor(x, device=device) for x in (0.9, 0.95)), Neuron())
    expected, found = (
        kernels.recurrent_lif_scan(events, recurrent, *given, keep_membranes=True, weight=weight)
        for kernels in (reference, operators)
    )
    assert expected.membranes is not None
    differ = expected.spikes.dense() != found.spikes.dense()
    first = differ.any(2) & (differ.any(2).cumsum(1) == 1)
    near = (expected.membranes - 1).abs() < 1e-5
    assert bool((near | ~differ)[first].all())
    return expected.spikes.units.numel()


@needs_gpu
@needs_triton
def test_spikes_in_float32_on_a_gpu_equal_the_reference() -> None:
    assert compare_spikes("cuda", 250, 256) > 10_000
