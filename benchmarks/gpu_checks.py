"""Compare every path of a GPU with the CPU: conversion, kernels, models, lower precision, traced networks.

    python benchmarks/gpu_checks.py FILE.json [--device cuda] [--tiny]

A stage of ``gpu.sh``. Every check is a number and the most that it may be; an error is a failed check, and the
others go on. Networks are compared in float64, in which no membrane is so close to the threshold that rounding
changes a spike; conventional ones in float32.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_data import N_UNITS, TINY_UNITS, random_words, write

import cochlea
from spikebench.encoders.cochlea.device_cochlea import P_FIRE_BOUND, encode_batch, trace_batch
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import Adaptation, Neuron, Parameters, Rotation
from spikebench.learning.ranks import this_rank
from spikebench.learning.rule import rule_class
from spikebench.models import MODELS
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.presets.preset import read_preset

LAYERS: dict[str, tuple[Neuron, type[Parameters] | None]] = {
    "leaky, reset to zero, fast sigmoid": (Neuron(), None),
    "leaky, reset to zero, triangle": (Neuron(surrogate="triangle", slope=4.0), None),
    "adaptation, restart, multi-Gaussian": (
        Neuron(reset="restart", reset_in_graph=True, surrogate="multi_gaussian"),
        Adaptation,
    ),
    "rotation, subtraction, boxcar": (
        Neuron(reset="subtract", reset_in_graph=True, surrogate="boxcar", slope=0.5),
        Rotation,
    ),
}
# Those on audio are the same networks.
NETWORKS = [
    name
    for name in MODELS
    if model_class(name).learning != "counts" and not model_class(name).on_audio
]
LOWER_PRECISION = ("cnn", "lstm")
SPIKING_BOUND, FLOAT32_BOUND = 1e-8, 2e-3  # of losses and gradients, relative
BFLOAT16_BOUND = 0.05  # of the loss, relative
Check = Callable[[], tuple[float, float, str]]  # measured, most allowed, what it is


class Sizes:
    """Shapes of the checks: as in training, or a few steps of a few neurons for the interpreter."""

    def __init__(self, tiny: bool) -> None:
        self.tiny = tiny
        self.n_steps, self.n_hidden, self.batch = (4, 8, 2) if tiny else (250, 256, 32)
        self.n_units = TINY_UNITS if tiny else N_UNITS
        self.channels, self.n_samples = (3, 200) if tiny else (700, 4_800)

    def clips(self, seconds: float = 1.0) -> EventBatch:
        """Make a batch of random words."""
        words = random_words(self.batch, 20 if self.tiny else 7983, self.n_units)
        samples = BinnedSamples(words, seconds / self.n_steps, self.n_steps, "counts")
        return samples.batch(np.arange(self.batch))


def distance(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Return the difference relative to the norm, the largest of several tensors."""
    pairs = [
        (one.double().cpu(), other.double().cpu())
        for one, other in zip(found, expected, strict=True)
    ]
    return max(float((a - b).norm() / b.norm().clamp(min=1e-12)) for a, b in pairs)


def conversion(device: str, sizes: Sizes) -> dict[str, Check]:
    """Compare the cochlea on the device with that of the CPU."""
    params = cochlea.PRESETS["shd"]
    if sizes.tiny:  # many spikes in little time
        params = cochlea.CochleaParams(level=1.0, ramp=0.0005)
    rng = np.random.default_rng(1)
    t = np.arange(sizes.n_samples)
    noise = rng.standard_normal((3, t.size))
    clips = [(np.sin(t / (9 + 3 * k)) + 0.3 * noise[k], 48000) for k in range(3)]
    seeds = [[k] for k in range(3)]

    def p_fire() -> tuple[float, float, str]:
        traces = trace_batch(clips, params, sizes.channels, device)
        found = zip(traces, clips, strict=True)
        errors = [
            np.abs(trace - cochlea.trace(*clip, params, sizes.channels).p_fire).max()
            for trace, clip in found
        ]
        return float(max(errors)), P_FIRE_BOUND, "largest difference of p_fire"

    def spikes() -> tuple[float, float, str]:
        few = clips[:1]
        found, expected = (
            encode_batch(few, seeds[:1], params, sizes.channels, name)[0].times.size
            for name in (device, "cpu")
        )
        return abs(found / expected - 1), 0.01, "number of spikes against the reference, relative"

    def batches() -> tuple[float, float, str]:
        together = encode_batch(clips, seeds, params, sizes.channels, device)
        alone = [
            encode_batch([clip], [seed], params, sizes.channels, device)[0]
            for clip, seed in zip(clips, seeds, strict=True)
        ]
        differ = [
            not (np.array_equal(a.times, b.times) and np.array_equal(a.units, b.units))
            for a, b in zip(together, alone, strict=True)
        ]
        return float(sum(differ)), 0, "recordings whose spikes depend on the batch"

    return {
        "conversion: release probabilities": p_fire,
        "conversion: spikes": spikes,
        "conversion: batches": batches,
    }


def kernels(device: str, sizes: Sizes) -> dict[str, Check]:
    """Compare a recurrent layer and a read-out on the device with the dense reference on the CPU."""

    def run(
        module: Any,  # noqa: ANN401
        where: str,
        neuron: Neuron,
        kind: type[Parameters] | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        random = torch.Generator().manual_seed(3)
        n = sizes.n_hidden

        def learned(*size: int, scale: float = 1.0) -> torch.Tensor:
            values = scale * torch.randn(size, generator=random, dtype=torch.float64)
            return values.to(where).requires_grad_()

        def decay(*size: int) -> torch.Tensor:
            values = torch.rand(size, generator=random, dtype=torch.float64)
            return (0.5 + values / 2.5).to(where).requires_grad_()

        weight, recurrent, out = (
            learned(1, sizes.n_units, n),
            learned(1, n, n, scale=0.1),
            learned(n, 20),
        )
        decays, leak = [decay(n), decay(n)], decay(20)
        extra = None
        if kind is not None:
            extra = kind(*(decay(n) for _ in kind.__dataclass_fields__))  # type: ignore[attr-defined]
        events = sizes.clips().to(where)
        scan = module.recurrent_lif_scan(events, recurrent, *decays, neuron, extra, weight=weight)
        scores = module.leaky_readout(scan.spikes, out, leak)
        torch.nn.functional.cross_entropy(scores, events.labels).backward()
        leaves = [weight, recurrent, out, *decays, leak, *(vars(extra).values() if extra else ())]
        return scan.spikes.dense().detach(), [scores.detach(), *(leaf.grad for leaf in leaves)]

    def check(neuron: Neuron, kind: type[Parameters] | None) -> tuple[float, float, str]:
        spikes, found = run(operators, device, neuron, kind)
        expected_spikes, expected = run(reference, "cpu", neuron, kind)
        n = int(expected_spikes.sum())
        if n < sizes.batch or not torch.equal(spikes.cpu(), expected_spikes):
            raise ValueError(f"of {n:,} spikes, {int(spikes.sum()):,} were found")
        return distance(found, expected), SPIKING_BOUND, f"scores and gradients; {n:,} equal spikes"

    return {
        f"kernels: {title}": lambda setting=setting: check(*setting)
        for title, setting in LAYERS.items()
    }


def build(
    name: str, device: str, sizes: Sizes, precision: str = "float32", fast: bool = True
) -> Any:  # noqa: ANN401
    """Make the learning rule of a model with the weights of seed 0, on fast kernels or the reference."""
    preset = read_preset(name, overrides=[f"training.precision={precision}"])
    kind = model_class(name)
    table: dict[str, Any] = {**preset.model}
    if "dropout" in table:
        table["dropout"] = 0.0  # its random numbers depend on the device
    if sizes.tiny and "hidden_units" in table:
        many = isinstance(table["hidden_units"], list)
        table["hidden_units"] = [sizes.n_hidden] if many else sizes.n_hidden
    shape = DataShape(sizes.n_units, 20, sizes.n_steps, 1 / sizes.n_steps, 0.02)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Classifier = kind(kind.Config.model_validate(table), shape)
    model.kernels = choose_kernels(device, "events" if fast else "reference")
    model = model.to(device).train()
    if kind.spiking:
        model = model.double()
    return rule_class(model.learning)(model, preset, torch.ones(20), this_rank(), 0)


def losses(rule: Any, sizes: Sizes, steps: int) -> tuple[list[float], list[torch.Tensor]]:  # noqa: ANN401
    """Take some steps: their losses, and the gradients of the last."""
    batch = sizes.clips()
    found = [rule.update(batch, 1e-3) for _ in range(steps)]
    return found, [p.grad for p in rule.model.parameters() if p.grad is not None]


def models(device: str, sizes: Sizes) -> dict[str, Check]:
    """Compare the first steps of every model on the device with those of the reference on the CPU."""

    def check(name: str) -> tuple[float, float, str]:
        rule, other = build(name, device, sizes), build(name, "cpu", sizes, fast=False)
        bound = SPIKING_BOUND if rule.model.spiking else FLOAT32_BOUND
        (loss, gradients), (expected, wanted) = (losses(one, sizes, 2) for one in (rule, other))
        difference = max(abs(a / b - 1) for a, b in zip(loss, expected, strict=True))
        return max(difference, distance(gradients, wanted)), bound, "losses and gradients, 2 steps"

    return {f"model {name}": lambda name=name: check(name) for name in NETWORKS}


def lower_precision(device: str, sizes: Sizes) -> dict[str, Check]:
    """Compare training in bfloat16 with float32, both on the device."""

    def check(name: str) -> tuple[float, float, str]:
        found, expected = (
            losses(build(name, device, sizes, precision), sizes, 3)[0]
            for precision in ("bfloat16", "float32")
        )
        difference = max(abs(a / b - 1) for a, b in zip(found, expected, strict=True))
        return difference, BFLOAT16_BOUND, "losses against float32, 3 steps"

    names = [name for name in LOWER_PRECISION if not (sizes.tiny and name == "lstm")]
    return {f"bfloat16: {name}": lambda name=name: check(name) for name in names}


def traced(device: str, sizes: Sizes) -> dict[str, Check]:
    """Compare a network traced by ``torch.compile`` with the network; its operators check their events."""

    def check(name: str) -> tuple[float, float, str]:
        model = build(name, device, sizes).model.eval()
        batch = sizes.clips().to(device)
        with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
            compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
            found = compiled(batch).scores
        return distance([found.detach()], [model(batch).scores.detach()]), 1e-12, "scores"

    return {f"torch.compile: {name}": lambda name=name: check(name) for name in ("lif", "rlif")}


def main() -> None:
    """Run all checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    warnings.filterwarnings("ignore")
    sizes = Sizes(options.tiny)
    checks: dict[str, Check] = {}
    for part in (kernels, conversion, models, lower_precision, traced):
        checks |= part(options.device, sizes)
    rows: list[dict[str, Any]] = []
    for title, check in checks.items():
        began = time.perf_counter()
        try:
            value, most, what = check()
            row = {"check": title, "what": what, "value": value, "most": most}
            row["pass"] = bool(value <= most)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            row = {"check": title, "what": f"{type(error).__name__}: {reason}", "pass": False}
        row["seconds"] = time.perf_counter() - began
        rows.append(row)
        print(row, flush=True)
        write(options.file, {"checks": rows, "expected": len(checks)})


if __name__ == "__main__":
    main()
